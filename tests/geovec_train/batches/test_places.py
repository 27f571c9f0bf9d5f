"""Batches by place and by corpus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geovec_data.geometry.geo import distance_m
from geovec_train.batches.data import TrainSet
from geovec_train.batches.places import arranged, curve
from geovec_train.batches.sampler import Schedule
from tests.geovec_train.toy import random_trainset

TOWNS, EACH, BATCH = 40, 8, 16


def world() -> np.ndarray:
    """Towns all over the globe, each with some places within a few kilometres."""
    rng = np.random.default_rng(0)
    towns = np.stack([rng.uniform(-180, 180, TOWNS), np.degrees(np.arcsin(rng.uniform(-0.95, 0.95, TOWNS)))], axis=1)
    return np.repeat(towns, EACH, axis=0) + rng.normal(0, 0.02, (TOWNS * EACH, 2))


def nearest(place: np.ndarray, order: np.ndarray) -> float:
    """Median, over examples, of the distance to the nearest other of the same batch, kilometres."""
    out = []
    for start in range(0, len(order) - BATCH + 1, BATCH):
        own = place[order[start : start + BATCH]]
        away = distance_m(own[:, None, 0], own[:, None, 1], own[None, :, 0], own[None, :, 1])
        out += (away + np.diag(np.full(len(own), np.inf))).min(axis=1).tolist()
    return float(np.median(out)) / 1000


def test_batches_are_spread_or_near() -> None:
    place, members = world(), np.arange(TOWNS * EACH)
    rng = np.random.default_rng(1)
    by_chance = nearest(place, rng.permutation(members))
    spread = nearest(place, arranged(members, place, BATCH, False, rng))
    near = nearest(place, arranged(members, place, BATCH, True, rng))
    assert near < 10 < by_chance < spread


def test_no_two_of_a_town_meet_in_a_spread_batch() -> None:
    place = world()
    order = arranged(np.arange(TOWNS * EACH), place, BATCH, False, np.random.default_rng(2))
    town = order // EACH
    shared = [BATCH - len(set(town[s : s + BATCH])) for s in range(0, len(order), BATCH)]
    chance = np.random.default_rng(3).permutation(len(order)) // EACH
    by_chance = [BATCH - len(set(chance[s : s + BATCH])) for s in range(0, len(order), BATCH)]
    assert sum(shared) < 0.5 * sum(by_chance)


@pytest.mark.parametrize("near", [True, False])
@pytest.mark.parametrize("lost", [0, 7, 30])
def test_every_example_comes_once_whether_its_place_is_known_or_not(near: bool, lost: int) -> None:
    place = np.random.default_rng(0).normal(0, 1, (30, 2))
    place[:lost] = np.nan
    for seed in range(5):
        order = arranged(np.arange(100, 130), place, 8, near, np.random.default_rng(seed))
        assert sorted(order.tolist()) == list(range(100, 130))


def test_the_curve_keeps_neighbours_together_across_the_globe() -> None:
    rng = np.random.default_rng(0)
    here = np.stack([rng.uniform(-180, 180, 500), rng.uniform(-80, 80, 500)], axis=1)
    there = here + rng.normal(0, 0.01, here.shape)
    far = rng.permutation(here)
    steps = [np.abs(curve(here) - curve(other)) for other in (there, far)]
    assert np.median(steps[0]) * 1000 < np.median(steps[1])


def placed(seed: int = 0) -> TrainSet:
    train = random_trainset(seed, examples=120, items=240, tasks=1, corpora=3)
    place = np.full((240, 2), np.nan)
    place[train.query] = np.random.default_rng(seed).uniform(-60, 60, (120, 2))
    return replace(train, item_keys=replace(train.item_keys, place=place))


def test_a_schedule_by_place_is_pure_and_whole_and_turns_near_half_way() -> None:
    train = placed()

    def drawn(mode: str) -> list[list[int]]:
        schedule = Schedule(train, steps=60, batch=12, seed=0, places=mode)  # type: ignore[arg-type]
        return [schedule.examples(step)[0].tolist() for step in range(60)]

    found = {mode: drawn(mode) for mode in ("any", "spread", "near", "spread_then_near")}
    assert found["spread_then_near"] == drawn("spread_then_near")
    assert found["spread_then_near"][:30] == found["spread"][:30]
    assert found["spread_then_near"][30:] == found["near"][30:]
    for batches in found.values():
        assert sorted(np.concatenate(batches[:10]).tolist()) == list(range(120))
    far = {m: nearest(train.place(np.arange(120)), np.concatenate(b[:10])) for m, b in found.items()}
    assert far["near"] < far["any"] < far["spread"]


def test_batches_of_one_corpus_come_by_weight() -> None:
    train = random_trainset(2, examples=240, tasks=2, corpora=3)
    corpora = {"corpus0": 2.0, "corpus1": 1.0, "corpus2": 0.0}
    schedule = Schedule(train, steps=200, batch=10, seed=0, corpora=corpora, one_corpus=True)
    mixed = Schedule(train, steps=200, batch=10, seed=0, corpora=corpora)
    counts = np.zeros(3)
    for step in range(200):
        examples, _ = schedule.examples(step)
        assert len(set(train.corpus[examples])) == len(set(train.task[examples])) == 1
        assert train.task[examples[0]] == schedule.tasks[step]
        counts[train.corpus[examples[0]]] += 1
    assert counts / 200 == pytest.approx([schedule.corpora[f"corpus{c}"] for c in range(3)], abs=0.02)
    assert any(len(set(train.corpus[mixed.examples(step)[0]])) > 1 for step in range(20))
