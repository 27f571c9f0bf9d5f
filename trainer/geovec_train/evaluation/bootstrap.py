"""Cluster-bootstrap intervals: of a mean, and of the difference between two encoders on the same queries."""

from __future__ import annotations

import numpy as np

from geovec_train.evaluation.metrics import Floats, Ints


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
