"""Cutting boxes and polygons at a rectangle, and the share of an object that stays inside."""

from __future__ import annotations

from collections.abc import Sequence

from geovec_data.geometry.boxes import area, intersection
from geovec_data.records import Box

Point = tuple[float, float]


def clip_box(box: Box, frame: Box) -> Box | None:
    """Intersect a box with a frame; None when they share no area."""
    common = intersection(box, frame)
    return common if common[0] < common[2] and common[1] < common[3] else None


def points(ring: Sequence[float]) -> list[Point]:
    """Pair up a flat ring ``(x0, y0, x1, y1, …)``."""
    return list(zip(ring[::2], ring[1::2], strict=True))


def bounds(ring: Sequence[float]) -> Box:
    """Axis-aligned bounds of a flat ring."""
    return (min(ring[::2]), min(ring[1::2]), max(ring[::2]), max(ring[1::2]))


def ring_area(ring: Sequence[Point]) -> float:
    """Area of a closed-by-convention ring (shoelace formula), without sign."""
    total = 0.0
    for (ax, ay), (bx, by) in zip(ring, [*ring[1:], *ring[:1]], strict=True):
        total += ax * by - bx * ay
    return abs(total) / 2


def clip_ring(ring: Sequence[Point], frame: Box) -> list[Point]:
    """Cut a ring at the four sides of a frame (Sutherland and Hodgman, "Reentrant polygon clipping", 1974).

    A concave ring may come back with parts joined along the frame; its area and bounds stay right.
    """
    out = list(ring)
    for axis, limit, sign in ((0, frame[0], 1.0), (0, frame[2], -1.0), (1, frame[1], 1.0), (1, frame[3], -1.0)):
        kept: list[Point] = []
        for before, here in zip([*out[-1:], *out[:-1]], out, strict=True):
            was, now = sign * (before[axis] - limit), sign * (here[axis] - limit)
            if (was < 0) != (now < 0):
                t = was / (was - now)
                cut = [before[0] + t * (here[0] - before[0]), before[1] + t * (here[1] - before[1])]
                cut[axis] = limit
                kept.append((cut[0], cut[1]))
            if now >= 0:
                kept.append(here)
        out = kept
    return out


def visible_part(box: Box, polygon: tuple[float, ...], frame: Box) -> tuple[Box | None, float]:
    """Clip a region to a frame and measure what is left of it.

    With a polygon, the share is of the polygon's area and the box shrinks to the visible part of the polygon; a
    polygon without area (a line) is treated as its box.

    Args:
        box: float pixels, not empty.
        polygon: flat ring, or empty.
        frame: the image or chip, in the same pixels.

    Returns:
        The clipped box (None: nothing is inside) and the share of the object inside the frame, 0–1.
    """
    clipped = clip_box(box, frame)
    if clipped is None:
        return None, 0.0
    if clipped == box and not polygon:
        return box, 1.0
    if not polygon:
        return clipped, area(clipped) / area(box)
    extent = bounds(polygon)
    if clip_box(extent, frame) == extent:
        return clipped, 1.0
    ring = points(polygon)
    whole = ring_area(ring)
    if whole <= 0:
        return clipped, area(clipped) / area(box)
    part = clip_ring(ring, frame)
    if not part or (share := ring_area(part) / whole) <= 0:
        return None, 0.0
    tight = clip_box(clipped, bounds([v for p in part for v in p]))
    return tight, min(share, 1.0)
