from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.rasters.formats import TooLarge
from geovec_data.rasters.grid import BLOCK, Row, TooCoarse, blocks, rows
from geovec_data.rasters.placement import Placement


def utm(width: int, height: int, step: float = 0.5, north: float = 3_057_000.0) -> Placement:
    return Placement("EPSG:32645", (step, 0, 354_000.0, 0, -step, north), width, height, "embedded")


def cuts(found: tuple[Row, ...]) -> list[tuple[int, int, int, int]]:
    return [w.cut for r in found for w in r.windows()]


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(16, 600), st.floats(0, 0.9))
def test_windows_cover_every_pixel_at_one_size_and_keep_the_overlap(w: int, h: int, size: int, part: float) -> None:
    overlap = int(size * part)
    found = cuts(rows(utm(w, h), size, overlap))
    if max(w, h) <= 1.5 * size:
        assert found == [(0, 0, w, h)]
        return
    assert {c[2:] for c in found} == {(min(size, w), min(size, h))}
    assert len(set(found)) == len(found)
    for axis, length in ((0, w), (1, h)):
        spans = sorted({(c[axis], c[axis] + c[axis + 2]) for c in found})
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert end - start >= overlap
    assert len(found) == len({c[0] for c in found}) * len({c[1] for c in found})


@given(st.integers(600, 4000), st.integers(600, 4000), st.integers(16, 300), st.floats(0, 0.5), st.floats(0.5, 2.0))
def test_at_a_chosen_gsd_windows_still_cover_everything(w: int, h: int, size: int, part: float, gsd: float) -> None:
    overlap = int(size * part)
    found = rows(utm(w, h), size, overlap, gsd)
    for axis, length in ((0, w), (1, h)):
        spans = sorted({(c[axis], c[axis] + c[axis + 2]) for c in cuts(found)})
        assert (spans[0][0], spans[-1][1]) == (0, length)
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert end - start >= (overlap - 1) * gsd / 0.5 - 2  # a window is a whole number of the raster's pixels
    if len(cuts(found)) > 1:
        assert {r.chip for r in found} == {(size, size)} or min(w, h) * 0.5 < size * gsd


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32645", (0.3, 0, 354_000.0, 0, -0.3, 3_057_000.0)),
        ("EPSG:3857", (0.3, 0, 9_520_000.0, 0, -0.3, 3_200_000.0)),  # 0.266 m on the ground
        ("EPSG:4326", (2.7e-6, 0, 24.9, 0, -2.7e-6, 60.2)),  # 0.15 m × 0.30 m on the ground
    ],
)
def test_chips_have_the_ground_sample_distance_that_was_asked_for(crs: str, transform: tuple[float, ...]) -> None:
    whole = Placement(crs, transform, 5000, 4000, "embedded")  # type: ignore[arg-type]
    found = rows(whole, 256, 32, 0.6)
    assert len(found) > 2
    for row in found:
        for window in row.windows():
            chip = whole.window(*window.cut).resized(window.width, window.height)
            assert (chip.width, chip.height) == (256, 256)
            assert chip.pixel_sides() == pytest.approx((0.6, 0.6), rel=2e-3)
            assert chip.footprint()[4:6] == pytest.approx(whole.window(*window.cut).footprint()[4:6], abs=1e-9)


def test_a_mercator_map_of_many_degrees_is_cut_by_metres_on_the_ground() -> None:
    step = 2000.0
    whole = Placement("EPSG:3857", (step, 0, 0.0, 0, -step, 8_400_000.0), 500, 4200, "embedded")  # 60° N to 0°
    found = rows(whole, 64, 0, 2400.0)
    for row in found[:-1]:
        (first, *_) = row.windows()
        assert whole.window(*first.cut).resized(64, 64).gsd() == pytest.approx(2400.0, rel=0.02)
    assert found[0].cut[1] > 1.7 * found[-1].cut[1]


def test_finer_pixels_than_the_rasters_own_are_refused() -> None:
    whole = utm(3000, 3000, step=0.5)
    assert rows(whole, 512, 0, 0.45)
    with pytest.raises(TooCoarse, match=r"span 0\.5 m × 0\.5 m, reader\.gsd=0\.1"):
        rows(whole, 512, 0, 0.1)


def test_an_image_about_as_large_as_a_chip_is_resampled_whole() -> None:
    ((row),) = rows(utm(1000, 600, step=0.5), 256, 0, 1.5)
    (window,) = row.windows()
    assert (window.cut, window.resampled) == ((0, 0, 1000, 600), True)
    assert (window.width, window.height) == pytest.approx((1000 / 3, 200), abs=1)


def test_rows_are_divided_where_they_are_long() -> None:
    found = rows(utm(512 * 100, 512 * 3), 512, 0)
    assert [(r, b - a) for r, a, b in blocks(found)] == [(n, c) for n in range(3) for c in (BLOCK, 100 - BLOCK)]


def test_a_raster_of_senseless_size_is_refused_before_it_is_cut() -> None:
    with pytest.raises(TooLarge, match="more than 4194304 windows"):
        rows(utm(2**31 - 1, 2**20, step=0.001), 16, 0)
    assert math.isclose(utm(10, 10).gsd(), 0.5, rel_tol=0.01)
