"""Bootstrap intervals: whole clusters are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from geovec_train.evaluation.bootstrap import interval


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
