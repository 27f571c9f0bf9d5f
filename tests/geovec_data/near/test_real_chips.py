"""The leak gate's rules on real chips, none of which the thresholds were chosen on.

Full figures: `benchmarks/leak_gate.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from geovec_data.build.rows import wkb_polygon
from geovec_data.leaks.ground import on_earth
from geovec_data.near.pairs import near_pairs
from geovec_data.near.search import LEFT, RIGHT
from geovec_data.rasters.georef import Embedded, place
from tests.fixtures.copies import COPIES, chips, look

pytestmark = pytest.mark.real
TAKEN = 8  # every TAKEN-th chip: some 280
NEIGHBOURS = ("Banepa", "fair5", "RSVQA-HR", "RSVQA-LR")


@pytest.fixture(scope="module")
def taken(real_data: Path) -> list[Path]:
    return [p for paths in chips(real_data).values() for p in paths][::TAKEN]


@pytest.fixture(scope="module")
def originals(taken: list[Path]) -> NDArray[np.uint8]:
    return np.stack([look(p.read_bytes()) for p in taken])


@pytest.mark.parametrize("how", COPIES)
def test_copies_of_real_chips_are_found(how: str, taken: list[Path], originals: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(9)
    copies = []
    for path in taken:
        with Image.open(path) as image:
            copies.append(look(COPIES[how](image.convert("RGB"), rng)))
    sides = np.repeat(np.array([LEFT, RIGHT], np.uint8), len(taken))
    pairs = near_pairs(np.concatenate([originals, np.stack(copies)]), sides, threads=2)
    right = pairs.second - len(taken) == pairs.first
    assert right.sum() >= (0.95 if "crop" in how else 0.995) * len(taken)
    assert (~right).sum() <= 2


def test_chips_of_one_neighbourhood_are_not_copies(real_data: Path) -> None:
    for name in NEIGHBOURS:
        paths = chips(real_data)[name]
        pairs = near_pairs(np.stack([look(p.read_bytes()) for p in paths]), threads=2)
        told = [(paths[a].name, paths[b].name) for a, b in zip(pairs.first, pairs.second, strict=True)]
        assert [p for p in told if p[0] != p[1]] == [], name


def test_a_chip_that_overlaps_its_neighbour_is_found_by_its_ground_and_the_others_are_not(real_data: Path) -> None:
    paths = chips(real_data)["Banepa"]
    placed = [place(p, p.name, Embedded(512, 512), "EPSG:4326") for p in paths]
    shapes = [wkb_polygon(p.footprint()) for p in placed]
    shifted = [wkb_polygon(p.window(256, 128, 512, 512).footprint()) for p in placed]
    rows = [s for s in (*shapes, *shifted) if s is not None]
    training = np.arange(len(rows)) < len(paths)
    one, other = on_earth(rows, training, 0.0)
    own = {(n, n + len(paths)) for n in range(len(paths))}
    assert own <= set(zip(one.tolist(), other.tolist(), strict=True))
    half = np.arange(len(paths)) % 2 == 0  # tiles that touch do not overlap
    assert on_earth([s for s in shapes if s is not None], half, 0.0)[0].tolist() == [], (
        "tiles that touch do not overlap"
    )
