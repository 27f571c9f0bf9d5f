from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_data.mining import likely
from geovec_data.mining.block import Block, Candidates
from geovec_data.mining.items import Lists
from geovec_data.mining.likely import likely_pairs
from geovec_data.mining.policy_config import PolicyConfig
from geovec_data.mining.words import WordSets

TEXTS = st.lists(st.lists(st.sampled_from("abcdefghijkl"), max_size=8).map(" ".join), min_size=1, max_size=12)


def lists(draw: np.random.Generator, count: int, texts: int) -> Lists:
    sizes = draw.integers(0, 4, count)
    return Lists(np.concatenate([[0], np.cumsum(sizes)]), draw.integers(0, texts, int(sizes.sum())))


def block(rng: np.random.Generator, items: int, groups: int) -> Any:
    row = np.sort(rng.integers(0, 5, 30))
    item = rng.integers(0, items, 30)
    found = Candidates(row, item, item, np.zeros(30, np.float32))
    truth: Any = SimpleNamespace()
    return Block(found, rng.integers(0, groups, 5), np.zeros(5, np.int64), truth, truth, PolicyConfig())


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS, seed=st.integers(0, 999), jaccard=st.sampled_from([0.3, 0.5, 0.8, 1.0]), least=st.integers(1, 3))
def test_no_pair_is_lost_that_is_near(texts: list[str], seed: int, jaccard: float, least: int) -> None:
    rng = np.random.default_rng(seed)
    words = WordSets(texts, frozenset("a"))
    own, right = lists(rng, 7, len(texts)), lists(rng, 6, len(texts))
    some = block(rng, 7, 6)
    near = []
    for found in (some.pairs(own, right), likely_pairs(some, own, right, words, jaccard, least)):
        candidate, one, other = found
        passed = words.alike(one, other, jaccard, least)
        passed |= words.within(one, other, least) | words.within(other, one, least)
        near.append(sorted(zip(*(v[passed].tolist() for v in (candidate, one, other)), strict=True)))
    assert near[0] == near[1]


def test_most_pairs_are_spared_and_the_step_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{n}" for n in rng.integers(0, 500, 10)) for _ in range(60)]
    words = WordSets(texts, frozenset())
    own, right = lists(rng, 7, 60), lists(rng, 6, 60)
    some = block(rng, 7, 6)
    found = likely_pairs(some, own, right, words, 0.8, 3)
    assert len(found[0]) < 0.2 * len(some.pairs(own, right)[0])
    monkeypatch.setattr(likely, "_CELLS", 1)
    for one, other in zip(found, likely_pairs(some, own, right, words, 0.8, 3), strict=True):
        np.testing.assert_array_equal(one, other)


def test_words_keep_their_numbers_and_bits() -> None:
    words = WordSets(["The red ship", "", "Red, RED ship!", "the"], frozenset({"the"}))
    assert words.sizes.tolist() == [2, 0, 2, 0]
    assert words.bits[0] == words.bits[2] != 0
    assert words.bits[1] == words.bits[3] == 0
    assert words.shared(np.array([0, 0]), np.array([2, 3])).tolist() == [2, 0]
