"""Retrieval metrics that are exact under ties, their chance level, and a cluster-bootstrap interval.

Definitions, for one query with a pool of N candidates of which m are right (all of them count):

- **P@1**: the first candidate is right.
- **R@k**: at least one right candidate is among the first k. This is what cross-modal papers report as
  "recall at k"; with m > 1 it is no recall in the sense of set retrieval.
- **MRR**: 1 / rank of the first right candidate.

Candidates whose scores are equal stand in random order; every metric is its exact expectation over those
orders, so that no encoder gains by ties and a collapsed one scores what chance does. All of these depend on
the first right candidate alone, so a query is summed up by a triple (`Ranks`): how many candidates stand
strictly above the best right one, how many share its score, and how many of those are right. Chance is the
same expectation with all N candidates tied: the triple (0, N, m).

With F the place of the first of p right ones among t tied in random order (F = 1 … t - p + 1),
P(F > j) = C(t - p, j) / C(t, j), a product of j ratios (hypergeometric; e.g. Cabanac et al. 2010 on ties).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

METRICS = ("P@1", "R@5", "R@10", "MRR")
_CUTOFFS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where the best right candidate of each query stands. All arrays have shape (queries,).

    Attributes:
        above: candidates that score strictly more than the best right one.
        tied: candidates with its score, itself and other right ones included.
        right: how many of `tied` are right, at least 1.
    """

    above: Ints
    tied: Ints
    right: Ints

    def __post_init__(self) -> None:
        if (self.right < 1).any() or (self.right > self.tied).any() or (self.above < 0).any():
            raise ValueError("every query needs at least one right candidate among the tied ones")

    @staticmethod
    def by_chance(pool: Ints, right: Ints) -> Ranks:
        """All of a pool of `pool` candidates tied, `right` of them right: a random ranking."""
        return Ranks(np.zeros_like(pool), pool, right)


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
    """Return every metric of `METRICS` for every query, shape (queries, 4)."""
    return np.stack([*(hit_at(ranks, k) for k in _CUTOFFS), reciprocal_rank(ranks)], axis=1)


def interval(
    values: Floats, clusters: Ints, *, draws: int, seed: int, level: float = 0.95
) -> tuple[Floats, Floats] | None:
    """Percentile bootstrap interval of the mean, resampling whole clusters.

    Queries of one scene are not independent, so scenes are drawn with replacement and each brings all its
    queries (Field and Welsh 2007, "cluster bootstrap").

    Args:
        values: shape (queries, metrics).
        clusters: cluster of each query, any integers, shape (queries,).
        draws: bootstrap replicates.
        seed: of the draws; equal inputs give equal intervals.
        level: coverage.

    Returns:
        Lower and upper ends, each of shape (metrics,); None with fewer than two clusters or no draws.
    """
    _, member = np.unique(clusters, return_inverse=True)
    count = int(member.max()) + 1 if len(member) else 0
    if count < 2 or draws < 1:
        return None
    sums = np.zeros((count, values.shape[1] + 1))
    np.add.at(sums, member.reshape(-1), np.column_stack([values, np.ones(len(values))]))
    rng = np.random.default_rng(seed)
    block = max(1, min(draws, 4_000_000 // count))  # replicates at a time: the weights stay under 32 MB
    means = []
    for start in range(0, draws, block):
        weights = rng.multinomial(count, np.full(count, 1.0 / count), size=min(block, draws - start))
        total = weights @ sums
        means.append(total[:, :-1] / total[:, -1:])
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
