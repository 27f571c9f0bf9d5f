from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geovec_data.errors import UserError
from geovec_data.mining.search import cuvs_index, engines
from geovec_data.mining.search.corpus import Floats, Ints, Matrix
from geovec_data.mining.search.cuvs_index import CuvsFinder
from geovec_data.mining.search.exact import tiled, top_k
from geovec_data.mining.search.form import Form
from geovec_data.mining.search.making import SearchMaker, recall_of, sample
from geovec_data.mining.search.rescored import Rescored
from geovec_data.mining.search_config import SearchConfig


def unit(seed: int, count: int, dimension: int = 32, centres: int = 40) -> Floats:
    rng = np.random.default_rng(seed)
    middle = np.random.default_rng(9).standard_normal((centres, dimension))
    out = middle[rng.integers(0, centres, count)] + 0.7 * rng.standard_normal((count, dimension))
    out *= np.linspace(2, 0.5, dimension)  # first dimensions say most, as of a Matryoshka encoder
    return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)


CORPUS, QUERIES = unit(1, 4000), unit(2, 200)
EXACT = top_k(QUERIES, Matrix(CORPUS), 10)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("over", [1.0, 4.0])
def test_fewer_bits_with_a_known_error_stay_exact(precision: str, over: float) -> None:
    maker = SearchMaker(SearchConfig(precision=precision, over=over), "cpu")  # type: ignore[arg-type]
    search = maker.over(Matrix(CORPUS))
    scores, ids = search.search(QUERIES, 10)
    assert maker.exact
    assert isinstance(search, Rescored)
    assert (search.again > 0) or over > 1  # without a margin queries are searched again; that is what keeps it exact
    np.testing.assert_array_equal(ids, EXACT[1])
    np.testing.assert_allclose(scores, EXACT[0], atol=1e-6)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_stated_error_holds(precision: Any) -> None:
    form = Form(None, precision)
    rough = (form.tensor(QUERIES, query=True) @ form.tensor(CORPUS, query=False).T).float().numpy()
    assert form.error is not None
    assert np.abs(rough - QUERIES @ CORPUS.T).max() <= form.error


@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({"precision": "int8"}, 0.99),
        ({"dims": 12}, 0.7),
        ({"dims": 12, "precision": "int8"}, 0.7),
        ({"method": "faiss_flat"}, 0.9999),
        ({"method": "faiss_flat", "precision": "int8"}, 0.99),
        ({"method": "faiss_flat", "precision": "fp16", "dims": 24}, 0.9),
        ({"method": "faiss_ivf"}, 0.9),
        ({"method": "faiss_ivf", "precision": "bf16", "lists": 50, "probes": 50}, 0.99),
        ({"method": "faiss_hnsw"}, 0.9),
        ({"method": "faiss_hnsw", "precision": "int8", "breadth": 200}, 0.9),
    ],
)
def test_what_is_found_is_scored_exactly_and_recall_is_said(
    options: dict[str, Any], least: float, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for _ in range(2):
        maker = SearchMaker(SearchConfig(**options), "cpu")
        search = maker.over(Matrix(CORPUS))
        found.append(search.search(QUERIES, 10))
    scores, ids = found[1]
    np.testing.assert_array_equal(ids, found[0][1])  # the same each time
    np.testing.assert_allclose(scores, np.einsum("ij,ikj->ik", QUERIES, CORPUS[ids]), atol=1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()
    maker.measure("captions", search, Matrix(CORPUS), QUERIES, 10)
    said = maker.facts()
    assert not said["exact"]
    assert said["recall"]["captions"]["recall"] == pytest.approx(recall_of(scores, EXACT[0]), abs=1e-5)
    assert least <= said["recall"]["captions"]["recall"] <= 1
    assert "% of the 10 nearest of captions (measured against exact search for 200 queries" in capsys.readouterr().err


def test_fewer_dimensions_lose_something_that_is_seen() -> None:
    maker = SearchMaker(SearchConfig(dims=2, over=1.0), "cpu")
    assert recall_of(maker.over(Matrix(CORPUS)).search(QUERIES, 10)[0], EXACT[0]) < 0.5


def test_more_dimensions_than_there_are_are_all() -> None:
    maker = SearchMaker(SearchConfig(dims=999), "cpu")
    np.testing.assert_array_equal(maker.over(Matrix(CORPUS)).search(QUERIES, 10)[1], EXACT[1])


def test_a_cpu_without_int8_multiplies_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for has in (True, False):
        monkeypatch.setattr(engines, "_has_int8", lambda has=has: has)
        form = Form(None, "int8").fitted(CORPUS)
        found.append(tiled(Matrix(CORPUS), ["cpu"], form).search(QUERIES, 10))
    np.testing.assert_array_equal(found[0][0], found[1][0])


class Half:
    """Finds every other candidate only for odd queries."""

    def find(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        scores, ids = top_k(queries, Matrix(CORPUS), k)
        ids[1::2, 3:] = -1
        return scores, ids


def test_who_has_too_few_is_searched_exactly() -> None:
    search = Rescored(Half(), Matrix(CORPUS), tiled(Matrix(CORPUS), ["cpu"]), over=2)
    np.testing.assert_array_equal(search.search(QUERIES, 10)[1], EXACT[1])
    assert (search.queries, search.again) == (200, 100)


def test_a_small_pool_is_searched_exactly_without_an_index() -> None:
    few = Matrix(CORPUS[:60])
    maker = SearchMaker(SearchConfig(method="faiss_ivf"), "cpu")
    search = maker.over(few)
    maker.measure("few", search, few, QUERIES, 10)
    np.testing.assert_array_equal(search.search(QUERIES, 10)[1], top_k(QUERIES, few, 10)[1])
    assert maker.facts()["recall"]["few"]["searched"] == "exact search, the pool being small,"


def test_recall_counts_equal_scores_as_found() -> None:
    assert recall_of(np.array([[1.0, 0.5]]), np.array([[1.0, 0.5]])) == 1.0
    assert recall_of(np.array([[1.0, 0.4]]), np.array([[1.0, 0.5]])) == 0.5


def test_the_sample_is_spread_and_stated() -> None:
    assert sample(1000, 5).tolist() == [0, 249, 499, 749, 999]
    assert sample(3, 5).tolist() == [0, 1, 2]


class StandIn:
    """What `cuvs.neighbors.ivf_flat` is documented to do, by brute force."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}

    def IndexParams(self, **how: Any) -> dict[str, Any]:  # its name there
        self.parameters |= how
        return how

    def SearchParams(self, **how: Any) -> dict[str, Any]:
        self.parameters |= how
        return how

    def build(self, parameters: Any, dataset: Any) -> Any:
        return dataset

    def search(self, how: Any, index: Any, queries: Any, k: int) -> tuple[Any, Any]:
        scores, ids = (queries @ index.T).topk(k, dim=1)
        ids[0, -1] = (1 << 63) - 1  # its mark for none
        return scores, ids


def test_cuvs_is_called_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    api = StandIn()
    monkeypatch.setattr(cuvs_index, "_module", lambda: api)
    finder = CuvsFinder(Matrix(CORPUS), Form(), "cpu")
    _, ids = finder.find(QUERIES, 40)
    assert api.parameters == {"n_lists": 252, "metric": "inner_product", "n_probes": 31}
    assert ids[0, -1] == -1
    search = Rescored(finder, Matrix(CORPUS), tiled(Matrix(CORPUS), ["cpu"]), over=4)
    np.testing.assert_array_equal(search.search(QUERIES, 10)[1], EXACT[1])


def test_cuvs_without_a_gpu_is_announced(capsys: pytest.CaptureFixture[str]) -> None:
    maker = SearchMaker(SearchConfig(method="cuvs"), "cpu")
    np.testing.assert_array_equal(maker.over(Matrix(CORPUS)).search(QUERIES, 10)[1], EXACT[1])
    assert "no CUDA device here; USING EXACT SEARCH ON CPU" in capsys.readouterr().err
    assert maker.facts()["method"] == "exact"


@pytest.mark.parametrize(("method", "said"), [("faiss_ivf", r"geovec\[faiss\]"), ("cuvs", "cuvs-cu12")])
def test_what_is_not_installed_is_named(method: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setitem(sys.modules, "cuvs.neighbors", None)
    device = "cuda" if method == "cuvs" else "cpu"
    with pytest.raises(UserError, match=said):
        SearchMaker(SearchConfig(method=method), device).finder(Matrix(CORPUS))
