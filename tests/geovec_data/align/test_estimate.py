from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_data.align import RADIUS, Estimate, borrowed, estimate, nearest, refused
from tests.geovec_data.align.town import SIDE, STEP, Ring, house, houses, picture

TOWN = houses(16)
IMAGE = picture(TOWN)


def moved(rings: list[Ring], right: float, up: float) -> list[list[Ring]]:
    """Draw footprints that many metres beside their houses."""
    return [[ring + np.array([right, -up]) / STEP] for ring in rings]


@given(st.floats(-5, 5), st.floats(-5, 5))
@settings(max_examples=15)
def test_a_shifted_map_is_moved_back(right: float, up: float) -> None:
    found = estimate(IMAGE, STEP, moved(TOWN, right, up))
    assert found.fault is None
    assert found.dx == pytest.approx(-right, abs=0.12)
    assert found.dy == pytest.approx(-up, abs=0.12)
    assert found.error < 0.2


def test_maps_of_other_towns_are_refused() -> None:
    passed = [seed for seed in range(30) if estimate(IMAGE, STEP, moved(houses(25, seed=seed), 0, 0)).fault is None]
    assert len(passed) <= 1


def test_some_wrong_footprints_do_not_matter() -> None:
    wrong = [ring + np.array([9.0, -14.0]) for ring in TOWN[:3]]
    found = estimate(IMAGE, STEP, moved(wrong + TOWN[3:], 2.0, -1.0))
    assert (found.fault, found.dx, found.dy) == (None, pytest.approx(-2.0, abs=0.2), pytest.approx(1.0, abs=0.2))


@pytest.mark.parametrize("rings", [[], TOWN[:1], TOWN[:2]], ids=["none", "one", "two"])
def test_too_few_footprints_are_refused(rings: list[Ring]) -> None:
    found = estimate(picture(rings), STEP, moved(rings, 1.0, 0.0))
    assert found.fault == f"{len(rings)} footprints in the image, 3 are needed"


def test_footprints_outside_the_image_do_not_count() -> None:
    found = estimate(IMAGE, STEP, [[ring + 2.0 * SIDE] for ring in TOWN])
    assert found.fault == "0 footprints in the image, 3 are needed"


def test_an_image_without_edges_is_refused() -> None:
    assert estimate(np.full((SIDE, SIDE), 7.0), STEP, moved(TOWN, 0, 0)).fault == "no shift fits"


def test_equal_houses_in_even_rows_are_refused() -> None:
    pitch = 4.8 / STEP  # a row further lies within the search
    rows = [house(x, y, 8, 8) for y in np.arange(pitch, SIDE, pitch) for x in np.arange(pitch, SIDE, pitch)]
    found = estimate(picture(rows), STEP, moved(rows, 0, 0))
    assert found.rival > 0.8
    assert found.fault is not None
    assert found.fault.startswith("another shift scores")


def test_walls_in_one_direction_are_refused() -> None:
    walls = [house(SIDE / 2, y, 4 * SIDE, 10) for y in (40.0, 95.0, 170.0)]
    found = estimate(picture(walls), STEP, moved(walls, 0, 0))
    assert found.fault is not None


def test_an_offset_at_the_limit_of_the_search_is_refused() -> None:
    found = estimate(IMAGE, STEP, moved(TOWN, RADIUS - 0.1, 0.0))
    assert found.fault is not None


def test_coarse_images_are_refused() -> None:
    assert estimate(IMAGE, 1.2, moved(TOWN, 0, 0)).fault == "cells of 1.20 m are coarser than 1 m"


def test_cells_without_data_have_no_say() -> None:
    gone = np.zeros((SIDE, SIDE), dtype=bool)
    gone[:, SIDE // 2 :] = True
    image = np.where(gone, 0.0, IMAGE)
    found = estimate(image, STEP, moved(TOWN, 1.5, 0.6), ~gone)
    assert (found.fault, found.dx, found.dy) == (None, pytest.approx(-1.5, abs=0.2), pytest.approx(-0.6, abs=0.2))
    assert estimate(image, STEP, moved(TOWN, 0, 0), gone).fault is not None


def test_contrast_and_negative_do_not_matter() -> None:
    found = estimate(IMAGE, STEP, moved(TOWN, 1.0, 2.0))
    for other in (IMAGE * 40, 255 - IMAGE, IMAGE + 1000):
        again = estimate(other, STEP, moved(TOWN, 1.0, 2.0))
        assert (again.dx, again.dy, again.fault) == (
            pytest.approx(found.dx, abs=0.01),
            pytest.approx(found.dy, abs=0.01),
            None,
        )


def test_the_same_input_gives_the_same_estimate() -> None:
    assert estimate(IMAGE, STEP, moved(TOWN, 1, 2)) == estimate(IMAGE.copy(), STEP, moved(TOWN, 1, 2))


def sure(dx: float, dy: float) -> Estimate:
    return Estimate(dx, dy, 0.1, 0.5, 6.0, 9)


def test_neighbours_that_agree_lend_their_offset() -> None:
    found = borrowed(refused("too few"), [sure(1.0, -2.0), refused("no"), sure(1.2, -2.2), sure(1.1, -1.9)])
    assert (found.fault, found.dx, found.dy, found.lent_by) == (None, 1.1, -2.0, 3)
    assert found.error == pytest.approx(np.hypot(0.1, 0.2), abs=0.001)


def test_neighbours_that_disagree_or_are_alone_lend_nothing() -> None:
    own = refused("too few")
    assert borrowed(own, [sure(1.0, 1.0), refused("no")]) == own
    assert borrowed(own, [sure(1.0, 1.0), sure(-1.0, 1.0)]).fault == "too few; images around it disagree by 1.00 m"


def test_the_nearest_are_found_within_their_distance() -> None:
    degree = 1 / 111_195
    lon = [85.0 + x * degree for x in (0, 100, 200, 300, 400, 480, 5000)]
    around = nearest([(x, 0.0) for x in lon])
    assert around[0] == [1, 2, 3, 4]
    assert around[3] == [2, 4, 5, 1]
    assert around[6] == []
    assert nearest([]) == []
    assert nearest([(179.999, 10.0), (-179.999, 10.0)]) == [[1], [0]]
