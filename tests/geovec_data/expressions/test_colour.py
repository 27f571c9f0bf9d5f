from __future__ import annotations

import numpy as np
import pytest

from geovec_data.expressions.colour import COLOURS, LOOK_ALIKES, TINTS, classify, in_polygon, shares
from geovec_data.records import Region

NAMES = (*COLOURS, *TINTS)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((10, 12, 11), "black"), ((128, 128, 130), "gray"), ((240, 240, 238), "white"), ((200, 50, 40), "red"),
        ((150, 70, 50), "red"), ((130, 100, 70), "brown"), ((240, 215, 60), "yellow"), ((60, 120, 50), "green"),
        ((150, 190, 120), "green"), ((40, 90, 180), "blue"), ((30, 110, 220), "blue"),
        ((90, 100, 115), "bluish"),  # shadow, or zinc under a blue sky
        ((40, 45, 62), "bluish"), ((150, 140, 125), "brownish"), ((100, 112, 96), "greenish"),
        ((140, 40, 160), "other"), ((40, 170, 170), "other"),
    ],
)  # fmt: skip
def test_what_a_pixel_is_called(rgb: tuple[int, int, int], name: str) -> None:
    assert NAMES[int(classify(np.array(rgb, dtype=np.uint8)))] == name


def test_shapes_are_kept() -> None:
    assert classify(np.zeros((3, 5, 3), np.uint8)).shape == (3, 5)


def test_every_colour_has_look_alikes_that_exist() -> None:
    assert set(LOOK_ALIKES) == set(COLOURS)
    assert all(set(like) <= set(NAMES) for like in LOOK_ALIKES.values())


def test_shares_are_of_the_region_not_of_its_surroundings() -> None:
    pixels = np.full((100, 100, 3), 128, np.uint8)
    pixels[20:60, 20:60] = (200, 50, 40)
    assert shares(pixels, Region(box=(20, 20, 60, 60), category="roof")) == {"red": 1.0}
    # the corners of a box are mostly ground: only its inner part counts
    assert shares(pixels, Region(box=(16, 16, 64, 64), category="roof")) == {"red": 1.0}
    half = shares(pixels, Region(box=(20, 20, 100, 60), category="roof", polygon=(20, 20, 100, 20, 100, 60, 20, 60)))
    assert half == pytest.approx({"red": 0.5, "gray": 0.5}, abs=0.05)


def test_an_outline_is_followed_and_may_reach_outside_the_image() -> None:
    pixels = np.full((100, 100, 3), 128, np.uint8)
    pixels[np.tril_indices(100)] = (40, 90, 180)
    below = Region(box=(0, 0, 100, 100), category="roof", polygon=(0, 10, 90, 100, -20, 120))
    assert shares(pixels, below) == {"blue": 1.0}
    assert shares(pixels, Region(box=(0, 0, 5, 5), category="roof", polygon=(200, 200, 220, 200, 210, 220))) == {}


def test_points_in_a_ring_with_a_notch() -> None:
    notched = (0.0, 0.0, 10.0, 0.0, 10.0, 10.0, 5.0, 5.0, 0.0, 10.0)
    xs, ys = np.array([5.0, 5.0, 1.0, 11.0]), np.array([4.0, 8.0, 8.0, 5.0])
    assert in_polygon(xs, ys, notched).tolist() == [True, False, True, False]
