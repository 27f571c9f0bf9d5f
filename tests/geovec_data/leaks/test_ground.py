"""Ground that overlaps, against comparing all with all."""

from __future__ import annotations

import math

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.leaks.ground import METRES_PER_DEGREE, in_parent, on_earth


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 3.0, 40.0]), st.floats(-75, 75))
def test_the_index_finds_what_all_pairs_find(seed: int, buffer: float, latitude: float) -> None:
    rng = np.random.default_rng(seed)
    metres = rng.uniform(0, 400, (30, 2))
    east = METRES_PER_DEGREE * math.cos(math.radians(latitude))
    lon, lat = 20 + metres[:, 0] / east, latitude + metres[:, 1] / METRES_PER_DEGREE
    boxes = shapely.box(lon, lat, lon + 50 / east, lat + 50 / METRES_PER_DEGREE)
    training = rng.random(30) < 0.5
    found = set(zip(*(r.tolist() for r in on_earth(list(shapely.to_wkb(boxes)), training, buffer)), strict=True))
    for a in np.flatnonzero(training):
        for b in np.flatnonzero(~training):
            dx, dy = np.abs(metres[a] - metres[b])
            gap = math.hypot(max(dx - 50, 0), max(dy - 50, 0))
            shared = max(50 - dx, 0) * max(50 - dy, 0) / 2500
            if gap < buffer - 0.1 or shared > 0.0101:
                assert (a, b) in found
            elif gap > buffer + 0.1 or (not buffer and shared < 0.0099):
                assert (a, b) not in found


def test_windows_of_other_parents_never_meet() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 5, 15, 15], [5, 5, 15, 15], [990, 0, 1000, 10]], dtype=np.float64)
    one, other = in_parent(boxes, np.array([0, 0, 1, 0]), np.array([True, False, False, False]), 50)
    assert (one.tolist(), other.tolist()) == ([0], [1])
