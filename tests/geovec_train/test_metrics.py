"""Metrics against brute-force enumeration of every order of tied candidates."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_train.metrics import METRICS, Ranks, hit_at, interval, per_query, reciprocal_rank


def ranks_of(scores: list[int], right: set[int]) -> Ranks:
    best = max(scores[i] for i in right)
    above = sum(s > best for s in scores)
    tied = [i for i, s in enumerate(scores) if s == best]
    return Ranks(*(np.array([v]) for v in (above, len(tied), len(right & set(tied)))))


def enumerated(scores: list[int], right: set[int]) -> list[float]:
    """Average every metric over all orders that respect the scores (each tie order once)."""
    groups = [[i for i, s in enumerate(scores) if s == v] for v in sorted(set(scores), reverse=True)]
    totals, orders = np.zeros(4), 0
    for arrangement in itertools.product(*(list(itertools.permutations(g)) for g in groups)):
        order = [i for group in arrangement for i in group]
        first = next(n for n, i in enumerate(order, 1) if i in right)
        totals += [first <= 1, first <= 5, first <= 10, 1 / first]
        orders += 1
    return list(totals / orders)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_expectation_under_ties_equals_enumeration(data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=6))
    right = data.draw(st.sets(st.integers(0, len(scores) - 1), min_size=1))
    assert per_query(ranks_of(scores, right))[0] == pytest.approx(enumerated(scores, right), abs=1e-12)


@given(pool=st.integers(1, 7), data=st.data())
def test_chance_is_the_mean_over_all_rankings(pool: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(1, pool))
    chance = per_query(Ranks.by_chance(np.array([pool]), np.array([right])))[0]
    assert chance == pytest.approx(enumerated([0] * pool, set(range(right))), abs=1e-12)


@given(
    above=st.integers(0, 50), wrong=st.integers(0, 2000), right=st.integers(1, 300), k=st.sampled_from([1, 5, 10, 17])
)
def test_metrics_stay_in_bounds_and_in_order(above: int, wrong: int, right: int, k: int) -> None:
    ranks = Ranks(np.array([above]), np.array([wrong + right]), np.array([right]))
    p1, r5, r10, mrr = per_query(ranks)[0]
    assert 0 <= p1 <= r5 <= r10 <= 1
    assert p1 <= mrr <= 1
    assert hit_at(ranks, k)[0] <= hit_at(ranks, k + 1)[0]
    assert (hit_at(ranks, above + wrong + 1)[0]) == 1


def test_known_values() -> None:
    # rsicd_small: one right image of 400
    one = per_query(Ranks.by_chance(np.array([400]), np.array([1])))[0]
    harmonic = sum(1 / i for i in range(1, 401))
    assert one == pytest.approx([0.0025, 0.0125, 0.025, harmonic / 400])
    untied = Ranks(np.array([0, 4, 5, 10]), np.ones(4, int), np.ones(4, int))
    assert per_query(untied).tolist() == [[1, 1, 1, 1], [0, 1, 1, 1 / 5], [0, 0, 1, 1 / 6], [0, 0, 0, 1 / 11]]
    assert METRICS == ("P@1", "R@5", "R@10", "MRR")


def test_a_large_tie_is_finite() -> None:
    huge = Ranks.by_chance(np.array([1_000_000]), np.array([3]))
    assert 0 < reciprocal_rank(huge)[0] < 1e-3
    assert hit_at(huge, 10)[0] == pytest.approx(3e-5, rel=1e-4)


def test_a_query_without_right_candidate_is_refused() -> None:
    with pytest.raises(ValueError, match="right candidate"):
        Ranks(np.array([0]), np.array([3]), np.array([0]))


def test_bootstrap_resamples_clusters_not_queries() -> None:
    rng = np.random.default_rng(0)
    per_cluster = rng.random(40)
    clusters = np.repeat(np.arange(40), 25)
    values = np.repeat(per_cluster, 25)[:, None]  # queries of one scene agree fully: 40 observations, not 1000
    ends = interval(values, clusters, draws=2000, seed=1)
    assert ends is not None
    width = float((ends[1] - ends[0])[0])
    expected = 2 * 1.96 * per_cluster.std() / np.sqrt(40)
    assert width == pytest.approx(expected, rel=0.12)
    naive = interval(values, np.arange(1000), draws=500, seed=1)
    assert naive is not None
    assert (naive[1] - naive[0])[0] < width / 3
    again = interval(values, clusters, draws=2000, seed=1)
    assert again is not None
    assert np.array_equal(ends, again)


def test_bootstrap_weights_unequal_clusters_by_their_queries() -> None:
    values = np.array([[1.0]] * 9 + [[0.0]])
    ends = interval(values, np.array([7] * 9 + [3]), draws=400, seed=0)
    assert ends is not None
    assert ends[0][0] == 0.0
    assert ends[1][0] == 1.0


def test_no_interval_from_one_cluster() -> None:
    assert interval(np.ones((5, 2)), np.zeros(5, int), draws=100, seed=0) is None
