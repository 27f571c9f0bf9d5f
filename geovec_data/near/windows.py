"""Cosine coefficients of any window of a thumbnail, without cutting the window out: one small matrix on each side.

A window of an image keeps, along each axis, what lies between a start and an end; both lie on a grid of `STEP` of the
side. Its coefficients are exact integrals of the thumbnail's pixels against the window's cosines, so that an image
and a crop of it, each reduced to a thumbnail of its own, give nearly equal numbers at the crop's window.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from geovec_data.phash import SIDE

STEP = 0.015
"""Fraction of the side between two starts (or ends) of windows."""
COARSE = 4
"""The candidate search looks at every COARSE-th start and end only."""
MOST = 22
"""Steps that a window may lose along one axis: up to 33 % of the side, as a crop that keeps 70 % of the area may."""
MIN_AREA = 0.66
"""Share of the area that the windows of the search keep: a step below the 70 % that a crop must keep to be found."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def operator(start: float, size: float, count: int) -> NDArray[np.float64]:
    """Return the matrix, (count, SIDE), from a line of pixels to the cosine coefficients of a window of it.

    Args:
        start: where the window begins, as a fraction of the side.
        size: its length, as a fraction of the side.
        count: coefficients; the first is the mean.
    """
    edges = (np.clip(np.linspace(0.0, 1.0, SIDE + 1), start, start + size) - start) / size
    u = np.arange(1, count)[:, None]
    primitive = np.vstack([edges[None], np.sin(np.pi * u * edges[None]) / (np.pi * u)])
    return np.diff(primitive, axis=1)


def index(start: Ints, end: Ints) -> Ints:
    """Return the row of `operators` for windows that lose `start` and `end` steps; both are brought into range."""
    start = np.clip(start, 0, MOST)
    end = np.clip(end, 0, MOST - start)
    return start * (MOST + 1) - start * (start - 1) // 2 + end


@cache
def operators(count: int) -> Floats:
    """Return the matrices of all windows along one axis, (windows, count, SIDE), in the order of `index`."""
    made = [operator(a * STEP, 1.0 - (a + b) * STEP, count) for a in range(MOST + 1) for b in range(MOST + 1 - a)]
    return np.stack(made).astype(np.float32)


@cache
def coarse_lines() -> Ints:
    """Return the windows of the search along one axis: (start, end) in steps, (lines, 2); first the whole."""
    most = MOST // COARSE
    return np.array([(a * COARSE, b * COARSE) for a in range(most + 1) for b in range(most + 1 - a)])


@cache
def coarse_windows() -> Ints:
    """Return the windows of the search as pairs of `coarse_lines` (rows, columns); first the whole."""
    sizes = 1.0 - coarse_lines().sum(axis=1) * STEP
    return np.argwhere(np.outer(sizes, sizes) >= MIN_AREA)
