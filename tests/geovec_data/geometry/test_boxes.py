from __future__ import annotations

import pytest
from hypothesis import given

from geovec_data.geometry import boxes
from geovec_data.records import Box
from tests.fixtures.drawn_boxes import boxes_in_images


@given(boxes_in_images(), boxes_in_images())
def test_iou_is_symmetric_bounded_and_one_only_for_the_same_box(
    one: tuple[Box, int, int], other: tuple[Box, int, int]
) -> None:
    a, b = one[0], other[0]
    assert boxes.iou(a, b) == boxes.iou(b, a)
    assert 0.0 <= boxes.iou(a, b) <= 1.0 + 1e-9
    if boxes.area(a) > 1e-200:
        assert boxes.iou(a, a) == 1.0
    if boxes.contains(a, b):
        assert boxes.clip(b, 20_000, 20_000) == b
        assert boxes.area(boxes.intersection(a, b)) == boxes.area(b)


def test_geometry_by_hand() -> None:
    assert boxes.iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert boxes.iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0  # half-open: a shared edge is no overlap
    assert boxes.area((3, 3, 2, 9)) == 0.0
    assert boxes.clip((-5, 2, 30, 9), 20, 8) == (0, 2, 20, 8)
    assert boxes.contains((0, 0, 10, 10), (0, 0, 10, 10))
    assert not boxes.contains((0, 0, 10, 10), (0, 0, 10, 10.5))
    assert boxes.centre((0, 2, 10, 4)) == (5, 3)
