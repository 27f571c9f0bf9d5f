"""A drawn town: turned rectangles, brighter or darker than the ground, with noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

STEP = 0.3  # metres of a cell
SIDE = 240  # cells

Ring = NDArray[np.float64]


def house(x: float, y: float, w: float, h: float, turn: float = 0.0) -> Ring:
    """A closed ring around (x, y), turned by an angle in radians; cells."""
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h], [-w, -h]]) / 2
    c, s = np.cos(turn), np.sin(turn)
    return corners @ np.array([[c, s], [-s, c]]) + [x, y]


def houses(n: int, seed: int = 0) -> list[Ring]:
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(n)))
    pitch = SIDE / side
    out = []
    for i in range(n):
        x, y = (i % side + 0.5) * pitch, (i // side + 0.5) * pitch
        dx, dy = rng.uniform(-pitch / 8, pitch / 8, 2)
        w, h = rng.uniform(pitch / 4, pitch / 1.8, 2)
        out.append(house(x + dx, y + dy, w, h, rng.uniform(0, np.pi)))
    return out


def picture(rings: list[Ring], seed: int = 0, noise: float = 8.0) -> NDArray[np.float64]:
    """Draw rings, some bright and some dark, on grey ground, antialiased."""
    rng = np.random.default_rng(seed)
    fine = 3
    y, x = (np.mgrid[: SIDE * fine, : SIDE * fine] + 0.5) / fine
    canvas = np.full(x.shape, 110.0)
    for ring in rings:
        inside = np.ones(x.shape, dtype=bool)
        for (x0, y0), (x1, y1) in pairwise(ring):
            inside &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0
        canvas[inside] = rng.choice([40.0, 75.0, 160.0, 210.0])
    grey = canvas.reshape(SIDE, fine, SIDE, fine).mean((1, 3))
    return np.asarray(grey + rng.normal(0, noise, grey.shape), dtype=np.float64)
