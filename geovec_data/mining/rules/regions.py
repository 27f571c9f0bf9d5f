"""Rules of regions: in the image of the query, a box that overlaps is the same thing and any other is not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geovec_data.mining.block import Block
from geovec_data.mining.items import NONE, Bools, Ints

Reals = NDArray[np.float64]


def region_overlap(block: Block) -> Bools:
    """Its box overlaps a positive's or the query's box in the same image, by IoU or as the one inside the other."""
    candidate, one, other = _boxes_of_one_image(block)
    shared, smaller, union = overlap(one, other)
    with np.errstate(divide="ignore", invalid="ignore"):
        same = (shared / union >= block.config.max_iou) | (shared / smaller >= block.config.max_containment)
    return block.touched(candidate, same)


def other_box(block: Block) -> Bools:
    """Another box of the same image (its expression is unique there), after `region_overlap` took what overlaps.

    Kept by default: it is no positive whatever an encoder says, so the score rules do not ask about it.
    """
    candidate, _, _ = _boxes_of_one_image(block)
    return block.touched(candidate, np.ones(len(candidate), np.bool_))


def _boxes_of_one_image(block: Block) -> tuple[Ints, Reals, Reals]:
    items = block.truth.items
    if not block.truth.boxed:
        return np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros((0, 4))
    candidate, left, right = block.faces()
    same = (items.image[left] == items.image[right]) & (items.image[left] != NONE)
    same &= items.boxed[left] & items.boxed[right]
    return candidate[same], items.box[left[same]], items.box[right[same]]


def overlap(a: Reals, b: Reals) -> tuple[Reals, Reals, Reals]:
    """Return the shared area, that of the smaller box and that of both, of boxes x0, y0, x1, y1, row by row."""
    wide, high = (np.minimum(a[:, n + 2], b[:, n + 2]) - np.maximum(a[:, n], b[:, n]) for n in (0, 1))
    inside: Reals = np.maximum(wide, 0.0) * np.maximum(high, 0.0)
    one, other = ((v[:, 2] - v[:, 0]) * (v[:, 3] - v[:, 1]) for v in (a, b))
    return inside, np.minimum(one, other), one + other - inside


def iou(a: Reals, b: Reals) -> Reals:
    """Intersection over union of boxes x0, y0, x1, y1, row by row; NaN for an item without a box."""
    inside, _, union = overlap(a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        out: Reals = inside / union
    return out
