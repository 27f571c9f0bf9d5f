"""The great-circle error of geo tasks, against places worked out by hand and a brute-force median over ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_data.geometry.geo import distance_m
from geovec_train.evaluation import geo_error
from geovec_train.evaluation.pools import Pool

KM_A_DEGREE = float(distance_m(0, 0, 0, 1)) / 1000


def pool_of(positives: list[list[int]], count: int, barred: list[int] | None = None) -> Pool:
    n = len(positives)
    return Pool(
        "coordinate_to_image", "geo", "split", [f"i{i}" for i in range(count)], {"": np.arange(count)},
        [f"q{i}" for i in range(n)], [""] * n, [np.array(p) for p in positives], ["p"] * n, ["m"] * n, ["c"] * n,
        np.array(barred or [-1] * n),
    )  # fmt: skip


def test_the_first_answer_is_measured() -> None:
    at = np.array([[0.0, 0.0], [0.0, 1.0], [179.9, 0.0], [-179.9, 0.0]])
    items = np.eye(4, dtype=np.float32)
    # right; a degree off; across the antimeridian, where 0.2 degrees are not 359.8
    facts = geo_error.geo_facts(pool_of([[0], [0], [2]], 4), at, items[[0, 1, 3]], items, "cpu")
    assert facts["median_km"] == pytest.approx(0.2 * KM_A_DEGREE)
    assert {k: v["value"] for k, v in facts["within_km"].items()} == {"1": 1 / 3, "25": 2 / 3, "200": 1.0}
    assert facts["queries"] == 3
    chances = np.concatenate([distance_m(at[:, 0], at[:, 1], *at[r]) / 1000 for r in (0, 0, 2)])
    assert facts["median_km_chance"] == pytest.approx(np.quantile(chances, 0.5, method="inverted_cdf"))


def test_chance_is_the_median_of_what_random_vectors_score() -> None:
    rng = np.random.default_rng(0)
    # nine in ten places in one town: a random answer is most often near, and its mean distance is hundreds of km
    at = np.vstack([rng.normal(0, 0.003, (180, 2)), rng.uniform(-60, 60, (20, 2))])
    pool = pool_of([[n] for n in range(200)], 200)
    found = [geo_error.geo_facts(pool, at, *rng.normal(size=(2, 200, 8)).astype(np.float32), "cpu") for _ in range(30)]
    random = [f["median_km"] for f in found]
    assert min(random) < found[0]["median_km_chance"] < max(random)


def test_a_tie_of_all_is_chance() -> None:
    rng = np.random.default_rng(1)
    at = rng.uniform(-60, 60, (50, 2))
    same = np.ones((50, 4), dtype=np.float32)
    facts = geo_error.geo_facts(pool_of([[n] for n in range(50)], 50), at, same, same, "cpu")
    assert facts["median_km"] == facts["median_km_chance"]
    assert all(v["value"] == pytest.approx(v["chance"]) for v in facts["within_km"].values())


def test_of_several_right_places_the_nearest_counts_and_an_unplaced_answer_is_left_out() -> None:
    at = np.array([[0.0, 0.0], [0.0, 3.0], [0.0, 4.0], [np.nan, np.nan]])
    items = np.eye(4, dtype=np.float32)
    facts = geo_error.geo_facts(pool_of([[0, 2], [0]], 4), at, items[[1, 3]], items, "cpu")
    assert facts["queries"] == 1
    assert facts["median_km"] == pytest.approx(KM_A_DEGREE)


def test_a_querys_own_image_is_no_answer() -> None:
    at = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    items = np.array([[1, 0], [0.9, np.sqrt(0.19)], [0, 1]], dtype=np.float32)
    facts = geo_error.geo_facts(pool_of([[2]], 3, barred=[0]), at, items[[0]], items, "cpu")
    assert facts["median_km"] == pytest.approx(KM_A_DEGREE)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_ties_share_the_first_place(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    scores = np.array(data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)), dtype=np.float32)
    at = np.array([[float(i), float(i * i)] for i in range(count)])
    right = data.draw(st.integers(0, count - 1))
    first = np.flatnonzero(scores == scores.max())
    wanted = np.quantile([distance_m(*at[i], *at[right]) / 1000 for i in first], 0.5, method="inverted_cdf")
    facts = geo_error.geo_facts(
        pool_of([[right]], count), at, np.ones((1, 1), dtype=np.float32), scores[:, None], "cpu"
    )
    assert facts["median_km"] == pytest.approx(wanted, rel=1e-4)
