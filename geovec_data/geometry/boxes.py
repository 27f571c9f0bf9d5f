"""Box geometry; the codecs that turn a box into text are in `geovec_data.geometry.box_codecs`.

Boxes are float pixels ``(x0, y0, x1, y1)``, origin top-left, half-open; see `geovec_data.records`.
"""

from __future__ import annotations

import math

from geovec_data.records import Box


def is_box(box: Box) -> bool:
    """Whether the box is finite and has an inside (a positive width and height)."""
    return all(map(math.isfinite, box)) and box[0] < box[2] and box[1] < box[3]


def area(box: Box) -> float:
    """Area in square pixels; 0 for an empty or inverted box."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def intersection(a: Box, b: Box) -> Box:
    """The common part of two boxes; empty or inverted (see `is_box`) when they do not overlap."""
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def clip(box: Box, width: float, height: float) -> Box:
    """The part of the box inside an image of `width` × `height` pixels."""
    return intersection(box, (0.0, 0.0, float(width), float(height)))


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0–1; 0 when either box is empty."""
    common = area(intersection(a, b))
    union = area(a) + area(b) - common
    return common / union if union > 0 else 0.0


def contains(outer: Box, inner: Box) -> bool:
    """Whether `inner` lies wholly inside `outer`; shared edges count as inside."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def centre(box: Box) -> tuple[float, float]:
    """The middle of the box, ``(x, y)`` in pixels."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
