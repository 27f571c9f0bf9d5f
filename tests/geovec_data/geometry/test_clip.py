from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon
from shapely.geometry import box as rectangle

from geovec_data.geometry.clip import bounds, clip_box, visible_part

FRAME = (0.0, 0.0, 100.0, 80.0)
number = st.floats(-150, 250).map(lambda v: round(v, 3))


@st.composite
def rings(draw: st.DrawFn) -> tuple[float, ...]:
    """Star-shaped rings around a centre: often concave, never self-crossing."""
    cx, cy = draw(number), draw(number)
    radii = draw(st.lists(st.floats(2, 120), min_size=3, max_size=9))
    step = 2 * math.pi / len(radii)
    return tuple(v for i, r in enumerate(radii) for v in (cx + r * math.cos(i * step), cy + r * math.sin(i * step)))


@given(number, number, st.floats(0.5, 200), st.floats(0.5, 200))
def test_a_box_keeps_the_share_of_its_area_inside(x: float, y: float, w: float, h: float) -> None:
    box = (x, y, x + w, y + h)
    clipped, share = visible_part(box, (), FRAME)
    inside = rectangle(*box).intersection(rectangle(*FRAME)).area
    assert share == pytest.approx(inside / rectangle(*box).area, abs=1e-9)
    assert (clipped is None) == (inside == 0)
    if clipped is not None:
        assert clip_box(clipped, FRAME) == clipped == clip_box(box, FRAME)


@given(rings())
@settings(derandomize=True)  # a ring that touches the edge in a point has two right answers: seldom drawn
def test_a_polygon_keeps_the_share_of_its_own_area_and_its_visible_bounds(ring: tuple[float, ...]) -> None:
    shape = Polygon(list(zip(ring[::2], ring[1::2], strict=True)))
    part = shape.intersection(rectangle(*FRAME))
    clipped, share = visible_part(bounds(ring), ring, FRAME)
    assert share == pytest.approx(part.area / shape.area, abs=1e-6)
    if part.area > 1e-6:
        assert clipped == pytest.approx(part.bounds, abs=1e-6)
    if part.is_empty:
        assert clipped is None


def test_the_corner_of_a_rotated_square_that_misses_the_frame_is_not_visible() -> None:
    diamond = (-30.0, 10.0, -10.0, -10.0, -10.0, -50.0, -70.0, -10.0)
    assert visible_part((-70.0, -50.0, 5.0, 10.0), diamond, FRAME) == (None, 0.0)


def test_a_line_counts_as_its_box() -> None:
    line = (-10.0, 5.0, 10.0, 5.0, -10.0, 5.0)
    assert visible_part((-10.0, 0.0, 10.0, 10.0), line, FRAME) == ((0.0, 0.0, 10.0, 10.0), 0.5)
