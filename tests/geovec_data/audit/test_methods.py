"""The peer is reproduced exactly: what is audited as sentence-transformers is what its own call mines."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset as Table
from sentence_transformers.util import mine_hard_negatives

from geovec_data.audit import methods
from geovec_data.dataset import Dataset
from geovec_data.mining.config import PoolConfig
from geovec_data.mining.facts import Facts
from geovec_data.mining.items import Items
from geovec_data.mining.plan import plans
from geovec_data.mining.policy_config import PolicyConfig
from geovec_data.mining.stored import StoredRun
from geovec_data.mining.truth import Truth
from geovec_data.mining.words import Words
from tests.fixtures.world import World, fan, text

QUERIES = 40


class Peer:
    """What ``mine_hard_negatives`` asks of a model, over decided vectors."""

    device = torch.device("cpu")
    model_card_data = SimpleNamespace(base_model=None)

    def __init__(self, degrees: dict[str, float]) -> None:
        self._degrees = degrees

    def encode_query(self, texts: list[str], **_: Any) -> Any:
        vectors = np.array([fan(self._degrees[t]) for t in texts], np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    encode_document = encode_query

    def similarity(self, one: Any, other: Any) -> torch.Tensor:
        return torch.as_tensor(one) @ torch.as_tensor(other).T

    def similarity_pairwise(self, one: Any, other: Any) -> torch.Tensor:
        return (torch.as_tensor(one) * torch.as_tensor(other)).sum(dim=1)


def world_of(folder: Path) -> tuple[World, dict[str, float], list[tuple[str, str]]]:
    """Texts whose positives are texts, some of several queries, some scored below zero."""
    world, rng = World(folder), np.random.default_rng(11)
    degrees: dict[str, float] = {}
    pairs: list[tuple[str, str]] = []
    passages = [f"passage {n}" for n in range(90)]
    for words in passages:
        degrees[words] = float(rng.uniform(0, 180))
        world.at(degrees[words], text(words))
    for n in range(QUERIES):
        asked = f"query {n}"
        degrees[asked] = float(rng.uniform(0, 180))
        near = sorted(passages, key=lambda p, at=degrees[asked]: abs(degrees[p] - at))[:9]  # type: ignore[misc]
        right = [str(p) for p in rng.choice(near, int(rng.integers(1, 4)), replace=False)]
        image = world.image(f"{n}.png")
        world.book.example(
            "text_to_image", world.at(degrees[asked], text(asked)), [text(p) for p in right], image=image
        )
        pairs += [(asked, p) for p in right]
    return world, degrees, pairs


def pool_of(folder: Path) -> methods.Pool:
    dataset = Dataset(folder / "dataset")
    items = Items(dataset)
    plan = next(iter(plans(dataset, items, PoolConfig())))
    truth = Truth(plan, Facts(dataset, items), Words(items))
    return methods.Pool.of(truth, StoredRun(folder / "dataset/mining/default"))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, methods.Pool, Peer, list[tuple[str, str]]]:
    folder = tmp_path_factory.mktemp("peer")
    world, degrees, pairs = world_of(folder)
    world.mine(k=4, depth=90)
    return world, pool_of(folder), Peer(degrees), pairs


def mined(peer: Peer, pairs: list[tuple[str, str]], **options: Any) -> set[tuple[str, str]]:
    table = Table.from_dict({"anchor": [a for a, _ in pairs], "positive": [p for _, p in pairs]})
    out = mine_hard_negatives(table, peer, verbose=False, **options)  # type: ignore[arg-type]
    return set(zip(out["anchor"], out["negative"], strict=True))


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("margin", [None, 0.0, 0.05, 0.1])
@pytest.mark.parametrize("skip", [0, 2])
def test_the_peer_is_what_the_library_mines(both: Any, k: int, margin: float | None, skip: int) -> None:
    world, pool, peer, pairs = both
    chosen = methods.sentence_transformers(pool, k, relative_margin=margin, range_min=skip)
    ids, plan = pool.truth.items.ids.to_pylist(), pool.truth.plan
    ours = {
        (world.names[ids[plan.query[r]]], world.names[ids[i]])
        for r, i in zip(pool.found.row[chosen], pool.found.item[chosen], strict=True)
    }
    assert ours
    assert ours == mined(peer, pairs, num_negatives=k, relative_margin=margin, range_min=skip)


def test_the_policy_judges_as_the_run_did(both: Any) -> None:
    world, pool, _, _ = both
    left = methods.geovec(pool, PolicyConfig())
    ids = pool.truth.items.ids.to_pylist()
    for row, example in enumerate(pool.truth.plan.examples.to_pylist()):
        kept = [ids[i] for i in pool.found.item[left & (pool.found.row == row)][:4]]
        assert kept == [n["item"] for n in world.negatives(example)]


def test_every_setting_takes_no_more_than_it_was_asked_for(both: Any) -> None:
    _, pool, _, _ = both
    seen = set()
    for setting in methods.settings(pool, 4, PolicyConfig()):
        most = int(setting.value) if setting.sweep == "k" else 4
        assert np.bincount(pool.found.row[setting.chosen]).max(initial=0) <= most
        assert not pool.right[setting.chosen].any()
        seen.add((setting.method, setting.sweep))
    assert {(m, "k") for m in (methods.TOP_K, methods.PEER, methods.OURS)} < seen
