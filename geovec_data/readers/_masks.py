"""Segmentations as the COCO format writes them: rings of points and run-length encoded masks, to box and polygon.

Method: the run lengths of pycocotools' ``maskApi.c`` (Lin et al., https://github.com/cocodataset/cocoapi): runs of
zeros and ones in turn over the pixels column by column; in a string, each run is a little-endian base-32 number of
characters from ``0`` on, from the third on as the difference to the run but one before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.geometry.clip import bounds, points, ring_area
from geovec_data.readers._paired import Malformed, numbers
from geovec_data.records import Box

_MOST_PIXELS = 2**26  # of a mask: 8192 × 8192
_LONGEST_RUN = 8  # characters of a run: more bits than any image has pixels

Ring = tuple[float, ...]


def outline(segmentation: Any) -> tuple[Box, Ring] | None:
    """Return the box of a segmentation and the ring of its largest part; None when it is empty.

    Args:
        segmentation: a list of flat rings, one run-length encoded mask, or a list of such masks.

    Raises:
        Malformed: it is neither.
    """
    parts = segmentation if isinstance(segmentation, list) else [segmentation] if segmentation else []
    found = [shape for part in parts if (shape := _of_part(part)) is not None]
    if not found:
        return None
    ring = max((r for _, r in found), key=lambda r: ring_area(points(r)))
    return bounds([v for box, _ in found for v in box]), ring


def _of_part(part: Any) -> tuple[Box, Ring] | None:
    if isinstance(part, dict):
        mask = decode(part)
        return trace(mask) if mask.any() else None
    ring = numbers(part)
    if len(ring) < 6 or len(ring) % 2:
        raise Malformed(f"a ring of {len(ring)} numbers")
    return bounds(ring), ring


def decode(rle: dict[str, Any]) -> NDArray[np.bool_]:
    """Decode a mask ``{"size": [height, width], "counts": runs}`` to an array (height, width).

    Raises:
        Malformed: no such mask, or its runs do not fill it.
    """
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(v, int) and v > 0 for v in size):
        raise Malformed(f"a mask of size {size!r}")
    height, width = size
    if height * width > _MOST_PIXELS:
        raise Malformed(f"a mask of {width}×{height} pixels")
    runs: Any = _runs(counts) if isinstance(counts, str) else counts
    whole = isinstance(runs, list) and all(isinstance(v, int) and v >= 0 for v in runs)
    if not whole or sum(runs) != height * width:
        raise Malformed(f"the runs of a mask do not fill its {width}×{height} pixels")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def _runs(text: str) -> list[int]:
    runs: list[int] = []
    value = place = 0
    for char in text:
        digit = ord(char) - 48
        if not 0 <= digit < 64 or place == _LONGEST_RUN:
            raise Malformed("a mask's runs are no text of COCO's run-length code")
        value |= (digit & 31) << (5 * place)
        place += 1
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << (5 * place)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = place = 0
    if place:
        raise Malformed("a mask's runs end within a number")
    return runs


def trace(mask: NDArray[np.bool_]) -> tuple[Box, Ring]:
    """Return the box of a mask's pixels, half-open, and the outer ring of its largest part along their edges.

    Args:
        mask: (height, width), at least one pixel set.
    """
    from rasterio.features import shapes

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    part = np.ascontiguousarray(mask[y0:y1, x0:x1]).astype(np.uint8)
    rings = [shape["coordinates"][0][:-1] for shape, _ in shapes(part, mask=part.astype(bool))]
    largest = max(rings, key=ring_area)
    return (float(x0), float(y0), float(x1), float(y1)), tuple(float(v) for x, y in largest for v in (x + x0, y + y0))
