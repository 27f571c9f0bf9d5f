"""Metrics against brute-force enumeration of every order of tied candidates."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_train.evaluation.metrics import METRICS, Ranks, expected_worth, hit_at, ideal, per_query, reciprocal_rank


def ranks_of(scores: list[int], right: set[int]) -> Ranks:
    best = max(scores[i] for i in right)
    above = sum(s > best for s in scores)
    tied = [i for i, s in enumerate(scores) if s == best]
    over = np.array([sum(s > scores[i] for s in scores) for i in right])
    level = np.array([sum(s == scores[i] for s in scores) for i in right])
    ndcg = expected_worth(over, level).sum() / ideal(np.array([len(right)]))
    return Ranks(*(np.array([v]) for v in (above, len(tied), len(right & set(tied)))), ndcg)


def first_right(above: list[int], tied: list[int], right: list[int]) -> Ranks:
    """Ranks of which the first right candidate alone is known."""
    return Ranks(np.array(above), np.array(tied), np.array(right), np.zeros(len(above)))


def enumerated(scores: list[int], right: set[int]) -> list[float]:
    """Average every metric over all orders that respect the scores (each tie order once)."""
    groups = [[i for i, s in enumerate(scores) if s == v] for v in sorted(set(scores), reverse=True)]
    totals, orders = np.zeros(5), 0
    best = sum(1 / math.log2(1 + n) for n in range(1, min(len(right), 10) + 1))
    for arrangement in itertools.product(*(list(itertools.permutations(g)) for g in groups)):
        order = [i for group in arrangement for i in group]
        first = next(n for n, i in enumerate(order, 1) if i in right)
        gain = sum(1 / math.log2(1 + n) for n, i in enumerate(order[:10], 1) if i in right)
        totals += [first <= 1, first <= 5, first <= 10, 1 / first, gain / best]
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
    ranks = first_right([above], [wrong + right], [right])
    p1, r5, r10, mrr, _ = per_query(ranks)[0]
    assert 0 <= p1 <= r5 <= r10 <= 1
    assert p1 <= mrr <= 1
    assert hit_at(ranks, k)[0] <= hit_at(ranks, k + 1)[0]
    assert (hit_at(ranks, above + wrong + 1)[0]) == 1


def test_known_values() -> None:
    # rsicd_small: one right image of 400
    one = per_query(Ranks.by_chance(np.array([400]), np.array([1])))[0]
    harmonic = sum(1 / i for i in range(1, 401))
    worth = sum(1 / math.log2(1 + n) for n in range(1, 11))
    assert one == pytest.approx([0.0025, 0.0125, 0.025, harmonic / 400, worth / 400])
    untied = first_right([0, 4, 5, 10], [1] * 4, [1] * 4)
    assert per_query(untied)[:, :4].tolist() == [[1, 1, 1, 1], [0, 1, 1, 1 / 5], [0, 0, 1, 1 / 6], [0, 0, 0, 1 / 11]]
    assert METRICS == ("P@1", "R@5", "R@10", "MRR", "nDCG@10")


def test_a_large_tie_is_finite() -> None:
    huge = Ranks.by_chance(np.array([1_000_000]), np.array([3]))
    assert 0 < reciprocal_rank(huge)[0] < 1e-3
    assert hit_at(huge, 10)[0] == pytest.approx(3e-5, rel=1e-4)


def test_a_query_without_right_candidate_is_refused() -> None:
    with pytest.raises(ValueError, match="right candidate"):
        first_right([0], [3], [0])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_metrics_are_those_of_trec_eval(data: st.DataObject) -> None:
    """Without ties `trec_eval`, which the information retrieval community takes for its measure, says the same."""
    import pytrec_eval

    count = data.draw(st.integers(2, 30))
    scores = data.draw(st.permutations(range(count)))
    right = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    run = {"q": {f"d{i}": float(s) for i, s in enumerate(scores)}}
    qrels = {"q": {f"d{i}": int(i in right) for i in range(count)}}
    measures = {"success.1,5,10", "recip_rank", "ndcg_cut.10"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)["q"]
    names = ("success_1", "success_5", "success_10", "recip_rank", "ndcg_cut_10")
    assert per_query(ranks_of(list(scores), right))[0] == pytest.approx([theirs[n] for n in names], abs=1e-12)
