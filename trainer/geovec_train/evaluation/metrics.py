"""Retrieval metrics that are exact under ties, and their chance level.

Definitions, for one query with a pool of N candidates of which m are right (all of them count):

- **P@1**: the first candidate is right.
- **R@k**: at least one right candidate is among the first k. This is what cross-modal papers report as
  "recall at k"; with m > 1 it is no recall in the sense of set retrieval.
- **MRR**: 1 / rank of the first right candidate.
- **nDCG@10**: the sum of 1 / log2(1 + rank) over the right candidates among the first 10, over the same sum when they
  all stand first (Järvelin and Kekäläinen 2002, with relevance 0 or 1).

Candidates whose scores are equal stand in random order; every metric is its exact expectation over those
orders, so that no encoder gains by ties and a collapsed one scores what chance does. All but the last depend on
the first right candidate alone, so a query is summed up by a triple (`Ranks`): how many candidates stand
strictly above the best right one, how many share its score, and how many of those are right. Chance is the
same expectation with all N candidates tied: the triple (0, N, m). nDCG is a sum over the right candidates, so its
expectation is the sum of theirs: each stands on any place of those it is tied for with equal probability.

With F the place of the first of p right ones among t tied in random order (F = 1 … t - p + 1),
P(F > j) = C(t - p, j) / C(t, j), a product of j ratios (hypergeometric; e.g. Cabanac et al. 2010 on ties).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

METRICS = ("P@1", "R@5", "R@10", "MRR", "nDCG@10")
DEPTH = 10  # ranks that nDCG looks at
_CUTOFFS = (1, 5, 10)
# what ranks 1 … r are worth together, for r from 0 to DEPTH
_WORTH: Floats = np.concatenate([[0.0], np.cumsum(1 / np.log2(1 + np.arange(1, DEPTH + 1)))])


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where the best right candidate of each query stands. All arrays have shape (queries,).

    Attributes:
        above: candidates that score strictly more than the best right one.
        tied: candidates with its score, itself and other right ones included.
        right: how many of `tied` are right, at least 1.
        ndcg: expectation of nDCG@10.
    """

    above: Ints
    tied: Ints
    right: Ints
    ndcg: Floats

    def __post_init__(self) -> None:
        if (self.right < 1).any() or (self.right > self.tied).any() or (self.above < 0).any():
            raise ValueError("every query needs at least one right candidate among the tied ones")

    @staticmethod
    def by_chance(pool: Ints, right: Ints) -> Ranks:
        """All of a pool of `pool` candidates tied, `right` of them right: a random ranking."""
        return Ranks(np.zeros_like(pool), pool, right, right * expected_worth(np.zeros_like(pool), pool) / ideal(right))


def expected_worth(above: Ints, tied: Ints) -> Floats:
    """Return the expectation of 1 / log2(1 + rank), 0 beyond rank 10, of candidates of any shape.

    Args:
        above: candidates that score strictly more.
        tied: candidates of the same score, itself included.
    """
    first, last = np.minimum(above, DEPTH), np.minimum(above + tied, DEPTH)
    worth: Floats = (_WORTH[last] - _WORTH[first]) / tied
    return worth


def ideal(right: Ints) -> Floats:
    """Return what `right` right candidates are worth when they all stand first."""
    return _WORTH[np.minimum(right, DEPTH)]


def hit_at(ranks: Ranks, k: int) -> Floats:
    """Return P(at least one right candidate in the first k), shape (queries,)."""
    room = np.clip(k - ranks.above, 0, ranks.tied)
    wrong = ranks.tied - ranks.right
    miss = np.ones(len(room))
    for j in range(k):
        drawn = j < room
        miss[drawn] *= np.maximum(wrong[drawn] - j, 0) / (ranks.tied[drawn] - j)
    return np.where(room > 0, 1.0 - miss, 0.0)


def reciprocal_rank(ranks: Ranks) -> Floats:
    """Return the expectation of 1 / rank of the first right candidate, shape (queries,)."""
    triples, where = np.unique(np.stack([ranks.above, ranks.tied, ranks.right], axis=1), axis=0, return_inverse=True)
    values = np.array([_reciprocal(int(a), int(t), int(p)) for a, t, p in triples])
    return values[where.reshape(-1)]


def _reciprocal(above: int, tied: int, right: int) -> float:
    if tied == right:
        return 1.0 / (above + 1)
    place = np.arange(1, tied - right + 2, dtype=np.float64)
    # P(F >= f): the first f - 1 drawn are all wrong
    reach = np.concatenate([[1.0], np.cumprod((tied - right + 1 - place[:-1]) / (tied + 1 - place[:-1]))])
    return float((reach * right / (tied + 1 - place) / (above + place)).sum())


def per_query(ranks: Ranks) -> Floats:
    """Return every metric of `METRICS` for every query, shape (queries, 5)."""
    return np.stack([*(hit_at(ranks, k) for k in _CUTOFFS), reciprocal_rank(ranks), ranks.ndcg], axis=1)
