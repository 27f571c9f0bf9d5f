"""Quotas: region, geo and random negatives beside the hard ones; shortages are recorded, never padded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from geovec_data.geometry.geo import distance_m
from geovec_data.mining.mine import MineConfig
from geovec_data.records import Segment
from tests.fixtures.world import World, region, text


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def kinds(world: World, example: str) -> list[tuple[str, str]]:
    return [(n["name"], n["kind"]) for n in world.negatives(example)]


def test_region_negatives_are_other_boxes_same_category_first(world: World) -> None:
    a, b = world.image("a"), world.image("b")
    right = world.at(2, world.object(a, (0, 0, 20, 20), "tank"), "right")
    first = world.book.example("text_to_region", world.at(0, text("the tank")), [right], image=a)
    for name, image, x, degrees, category in (
        ("ship here", a, 30, 20, "ship"),
        ("tank here", a, 60, 40, "tank"),
        ("overlapping", a, 5, 3, "tank"),
        ("ship there", b, 0, 5, "ship"),
        ("plane there", b, 30, 6, "plane"),
    ):
        shown = world.at(degrees, world.object(image, (x, 0, x + 20, 20), category), name)
        world.book.distractor("text_to_region", image, shown)
    facts = world.mine(quota={"hard": 1, "region": 2})
    assert kinds(world, first) == [("ship there", "hard"), ("tank here", "region"), ("ship here", "region")]
    assert facts["k"] == 3
    assert facts["tasks"]["text_to_region"]["short"]["missing"] == 0


def test_a_shortage_is_recorded_by_kind(world: World) -> None:
    a = world.image("a")
    right = world.at(2, region(a, 0, 0, 20, 20), "right")
    first = world.book.example("text_to_region", world.at(0, text("it")), [right], image=a)
    world.book.distractor("text_to_region", a, world.at(9, region(a, 40, 0, 60, 20), "beside"))
    facts = world.mine(quota={"hard": 1, "region": 3, "random": 1})
    assert kinds(world, first) == [("beside", "region")]
    assert facts["tasks"]["text_to_region"]["short"] == {
        "examples": 1,
        "missing": 4,
        "by_kind": {"hard": 1, "region": 2, "random": 1},
        "examples_by_negatives": {"1": 1},
    }


def places(world: World, seed: int) -> list[tuple[str, tuple[float, float], str]]:
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(40):
        lon, lat = 180.0 + rng.normal(0, 0.3), 70.0 + rng.normal(0, 0.1)
        lon = lon - 360.0 if lon > 180 else lon
        name = ("airport", "harbour", "forest")[int(rng.integers(3))]
        image = world.image(f"{n}.png", lon=lon, lat=lat, gsd=1.0, width=100, height=100, scene_class=name)
        shown = world.at(float(rng.uniform(5, 80)), (Segment.of_image(image),), str(n))
        asked = world.at(float(rng.uniform(0, 5)), text(f"caption {n}"))
        rows.append((world.book.example("text_to_image", asked, [shown], image=image), (lon, lat), name))
    return rows


@pytest.mark.parametrize("seed", [1, 2])
def test_geo_negatives_are_the_nearest_of_another_class(world: World, seed: int) -> None:
    rows = places(world, seed)
    world.mine(quota={"hard": 0, "geo": 2, "within_km": 30.0})
    for example, here, name in rows:
        metres = [float(distance_m(*here, *there)) for _, there, _ in rows]
        far = [n for n in np.argsort(metres) if 141.5 < metres[n] <= 30_000 and rows[n][2] != name]
        assert kinds(world, example) == [(str(n), "geo") for n in far[:2]]


def test_chance_is_the_same_in_every_run_and_differs_between_examples(world: World) -> None:
    rows = places(world, 3)
    world.mine(quota={"hard": 1, "random": 3})
    found = {e: kinds(world, e) for e, _, _ in rows}
    assert all([k for _, k in v] == ["hard", "random", "random", "random"] for v in found.values())
    assert all(len({n for n, _ in v}) == 4 for v in found.values())  # none twice
    drawn = Counter(n for v in found.values() for n, k in v if k == "random")
    assert len(drawn) > 30
    world.mine(quota={"hard": 1, "random": 3}, overwrite=True, depth=50)
    assert {e: kinds(world, e) for e, _, _ in rows} == found


@pytest.mark.parametrize(
    "options", [{"k": 2, "quota": {"random": 3}}, {"quota": {"hard": 0}}, {"quota": {"hard": 101}}, {"encoder": ""}]
)
def test_quotas_that_do_not_fit_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"give k or quota.hard|less than k=101|encoder=… is needed"):
        MineConfig.model_validate({"dataset": "d", "encoder": "e"} | options)
