"""Rates are ratios of sums over scenes; differences are read at equal hardness and paired by scene."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geovec_data.audit import curves
from geovec_data.audit.methods import OURS, PEER


def points(ours: float, peer: float, *, scenes: int = 60, each: int = 4) -> curves.Points:
    """One setting of ours at hardness 0.5, and a curve of the peer through it with a rate of `peer` there."""
    rng = np.random.default_rng(2)
    settings = [(OURS, "k", 4.0), (PEER, "rank", 0.0), (PEER, "rank", 8.0)]
    sums = np.zeros((scenes, 3, 5))
    for n, (rate, similarity) in enumerate(((ours, 0.5), (peer + 0.1, 0.6), (peer - 0.1, 0.4))):
        sums[:, n, 0] = sums[:, n, 4] = each
        sums[:, n, 1] = rng.binomial(each, rate, scenes)
        sums[:, n, 2] = each * similarity
        sums[:, n, 3] = each / 2
    return curves.Points(settings, sums, np.ones(scenes))


def compared(found: curves.Points) -> dict[str, Any]:
    return curves.differences(found, [("mean_similarity", 0, PEER)], 4, 400, 0)[0]


def test_a_difference_is_read_between_two_settings_of_the_peer() -> None:
    found = points(0.2, 0.6)
    rates = found.rates()
    fact = compared(found)
    assert fact["at"] == 0.5
    assert fact["other_rate"] == pytest.approx((rates[1, 0] + rates[2, 0]) / 2, abs=1e-4)
    assert fact["difference"] == pytest.approx(rates[0, 0] - fact["other_rate"], abs=1e-4)
    low, high = fact["interval"]
    assert low < fact["difference"] < high < -0.2


def test_equal_methods_differ_by_nothing() -> None:
    low, high = compared(points(0.5, 0.5))["interval"]
    assert low < 0 < high


def test_beyond_the_peers_hardness_there_is_no_difference() -> None:
    found = points(0.2, 0.6)
    found.sums[:, 0, 2] *= 1.5
    fact = compared(found)
    assert fact["difference"] is None
    assert fact["interval"] is None
    assert "no setting of that hardness" in fact["note"]


def test_a_setting_that_finds_a_few_is_no_part_of_a_curve() -> None:
    found = points(0.2, 0.6)
    found.sums[:, 2] *= 0.25
    assert curves.filled(found, 4) == [0, 1]
    assert compared(found)["difference"] is None


def test_resampling_weighs_scenes() -> None:
    found = points(0.2, 0.6)
    weights = np.zeros((1, 60))
    weights[0, 7] = 3.0
    own = found.sums[7, 0]
    assert found.rates(weights)[0, 0].tolist() == pytest.approx([own[1] / 4, 0.5, 0.5, 4.0])
