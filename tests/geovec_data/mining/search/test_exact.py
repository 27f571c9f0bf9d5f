from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_data.mining.search import exact as exact_search
from geovec_data.mining.search.corpus import Matrix
from geovec_data.mining.search.exact import top_k
from geovec_data.mining.search.selection import BLOCK, tile_top_k


def exact(queries: np.ndarray, corpus: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Sort everything: greatest first, equal scores by index."""
    scores = queries.astype(np.float64) @ corpus.astype(np.float64).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), order


def whole_numbers(seed: int, shape: tuple[int, int], high: int) -> np.ndarray:
    # products of small whole numbers are exact in float32, so that ties are ties in every order of addition
    return np.random.default_rng(seed).integers(-high, high + 1, shape).astype(np.float32)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 12),
    corpus=st.integers(1, 700),
    k=st.integers(1, 9),
    high=st.sampled_from([1, 3, 40]),
    tile=st.sampled_from([16, 130, 512, 4096]),
    score=st.sampled_from([64, 4096, 1 << 20]),
)
def test_equals_sorting_everything_ties_included(
    seed: int, queries: int, corpus: int, k: int, high: int, tile: int, score: int
) -> None:
    q, c = whole_numbers(seed, (queries, 4), high), whole_numbers(seed + 1, (corpus, 4), high)
    scores, ids = top_k(q, Matrix(c), k, tile_bytes=tile * 16, score_bytes=score)
    right_scores, right_ids = exact(q, c, k)
    np.testing.assert_array_equal(ids, right_ids)
    np.testing.assert_array_equal(scores, right_scores)


@pytest.mark.parametrize("order", ["random", "rising", "falling", "clustered", "equal"])
def test_two_stage_selection_on_hard_orders(order: str) -> None:
    k, columns = 5, BLOCK * 40 + 7  # wide enough for two stages, with a rest
    rng = np.random.default_rng(3)
    scores = rng.standard_normal((6, columns)).astype(np.float32)
    if order in ("rising", "falling"):
        scores = np.sort(scores, axis=1)[:, :: 1 if order == "rising" else -1].copy()
    elif order == "clustered":  # the best all lie in one block, as neighbours in a sorted corpus do
        scores[:, 70 : 70 + k] += 100
    elif order == "equal":
        scores[:] = 0.25
    values, where = tile_top_k(torch.from_numpy(scores), k)
    right = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(where.numpy(), right)
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(scores, right, axis=1))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 6), levels=st.integers(1, 60))
def test_two_stages_settle_ties_by_column(seed: int, k: int, levels: int) -> None:
    columns = BLOCK * 4 * k + seed % BLOCK
    scores = np.random.default_rng(seed).integers(0, levels, (3, columns)).astype(np.float32)
    _, where = tile_top_k(torch.from_numpy(scores), k)
    np.testing.assert_array_equal(where.numpy(), np.argsort(-scores, axis=1, kind="stable")[:, :k])


def test_no_more_than_a_tile_exists_at_once() -> None:
    shapes: list[tuple[int, ...]] = []

    class Watched(Matrix):
        def tile(self, start: int, stop: int) -> np.ndarray:
            shapes.append((stop - start,))
            return super().tile(start, stop)

    seen: list[int] = []

    def spy(scores: torch.Tensor, k: int, **how: bool) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(scores.numel() * 4)
        return tile_top_k(scores, k, **how)

    c = np.random.default_rng(0).standard_normal((5000, 8)).astype(np.float32)
    with mock.patch.object(exact_search, "tile_top_k", spy):
        _, ids = top_k(c[:300], Watched(c), 7, tile_bytes=8 * 4 * 600, score_bytes=100_000)
    assert max(shapes) == (600,)
    assert max(seen) <= 100_000
    np.testing.assert_array_equal(ids, exact(c[:300], c, 7)[1])


def test_asks_for_no_more_than_there_is() -> None:
    c = whole_numbers(1, (3, 4), 5)
    scores, ids = top_k(c, Matrix(c), 10)
    assert scores.shape == ids.shape == (3, 3)
    assert sorted(ids[0].tolist()) == [0, 1, 2]


@pytest.mark.gpu
def test_cuda_finds_what_the_cpu_finds() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    q, c = whole_numbers(5, (50, 16), 3), whole_numbers(6, (9000, 16), 3)
    on_cpu, on_gpu = (top_k(q, Matrix(c), 20, device=d, tile_bytes=64 * 2000) for d in ("cpu", "cuda"))
    np.testing.assert_array_equal(on_cpu[1], on_gpu[1])
