from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geovec_data.geometry.clip import points, ring_area
from geovec_data.readers._masks import decode, outline, trace
from geovec_data.readers._paired import Malformed
from tests.fixtures.objects import run_lengths, run_text

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(MASKS, st.booleans())
def test_run_lengths_give_the_mask_back(mask: np.ndarray[Any, np.dtype[np.bool_]], as_text: bool) -> None:
    runs = run_lengths(mask)
    rle = {"size": list(mask.shape), "counts": run_text(runs) if as_text else runs}
    assert np.array_equal(decode(rle), mask)


def test_the_text_of_the_coco_api_is_read() -> None:
    # pycocotools.mask.encode of a 4 × 4 mask with pixels (1..2, 1..3) set: runs 5 2 2 2 2 2 1
    assert run_lengths(decode({"size": [4, 4], "counts": "522000O"})) == [5, 2, 2, 2, 2, 2, 1]


@given(MASKS.filter(lambda m: bool(m.any())))
def test_box_and_ring_enclose_the_pixels(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
    (x0, y0, x1, y1), ring = trace(mask)
    rows, columns = np.nonzero(mask)
    assert (x0, y0, x1, y1) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert min(ring[::2]) >= x0
    assert max(ring[1::2]) <= y1


def test_a_rectangle_is_its_four_corners_and_the_largest_part_counts() -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[2:8, 3:13] = True
    box, ring = trace(mask)
    assert box == (3, 2, 13, 8)
    assert {*points(ring)} == {(3, 2), (13, 2), (13, 8), (3, 8)}
    mask[15, 25] = True  # a speck apart widens the box, not the ring
    box, ring = trace(mask)
    assert box == (3, 2, 26, 16)
    assert ring_area(points(ring)) == 60


def test_several_rings_and_several_masks_are_one_object() -> None:
    assert outline([[0, 0, 4, 0, 4, 4, 0, 4], [10, 10, 12, 10, 12, 12]]) == ((0, 0, 12, 12), (0, 0, 4, 0, 4, 4, 0, 4))
    rle = {"size": [4, 4], "counts": [5, 2, 9]}
    assert outline([rle]) == outline(rle)
    assert outline(rle) == ((1, 1, 2, 3), (1, 1, 1, 3, 2, 3, 2, 1))
    assert outline([]) is None
    assert outline(None) is None
    assert outline({"size": [2, 2], "counts": [4]}) is None


@pytest.mark.parametrize(
    "segmentation",
    [
        [[1, 2, 3]],
        [["a", 1, 2, 3, 4, 5]],
        [7],
        {"size": [4, 4], "counts": "!"},
        {"size": [4, 4], "counts": "o"},  # ends within a number
        {"size": [4, 4], "counts": "oooooooooooooooooooo0"},
        {"size": [4, 4], "counts": [1, 2]},
        {"size": [4, 4], "counts": [20, -4]},
        {"size": [4, 4], "counts": [True] * 16 + ["x"]},
        {"size": [4], "counts": [4]},
        {"size": [0, 4], "counts": []},
        {"size": [10**6, 10**6], "counts": [10**12]},
        {"size": "4x4", "counts": "0"},
    ],
)
def test_malformed_segmentations_are_told(segmentation: Any) -> None:
    with pytest.raises(Malformed):
        outline(segmentation)
