from __future__ import annotations

import numpy as np
import pytest
import torch

from geovec_data.errors import ResourceFault
from geovec_data.mining.search.corpus import Matrix
from geovec_data.mining.search.engines import Accelerator
from geovec_data.mining.search.exact import Tiled, tiled, top_k
from geovec_data.mining.search.form import Form
from geovec_data.mining.search.rescored import Rescored
from tests.geovec_data.mining.search.test_exact import exact, whole_numbers

# an accelerator's own code, on the CPU: torch's device is only a name to it


class Short(Accelerator):
    """Has no room for more than so many scores, or vectors, at once."""

    def __init__(self, scores: int, vectors: int = 1 << 30) -> None:
        super().__init__("cpu", Form(), tile_bytes=4 * 4 * 1000, score_bytes=4 * 1000 * 64)
        self._scores, self._vectors = scores, vectors
        self.shapes: list[tuple[int, ...]] = []

    def product(self, part: torch.Tensor, tile: torch.Tensor) -> torch.Tensor:
        if len(tile) > self._vectors or len(part) * len(tile) > self._scores:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")
        out = super().product(part, tile)
        self.shapes.append(tuple(out.shape))
        return out


@pytest.mark.parametrize("scores", [1 << 30, 9000, 1000])
def test_out_of_memory_halves_the_tile_and_goes_on(scores: int, capsys: pytest.CaptureFixture[str]) -> None:
    q, c = whole_numbers(1, (50, 4), 9), whole_numbers(2, (3500, 4), 9)
    by = Short(scores)
    found = Tiled(Matrix(c), by).search(q, 7)
    np.testing.assert_array_equal(found[1], exact(q, c, 7)[1])
    said = capsys.readouterr().err
    if scores == 1 << 30:
        assert said == ""
        assert max(rows for rows, _ in by.shapes) == 50
    else:
        assert "cpu is out of memory: the search goes on with" in said
        assert max(rows * columns for rows, columns in by.shapes) <= scores


def test_not_even_one_query_fits() -> None:
    q, c = whole_numbers(1, (5, 4), 9), whole_numbers(2, (3500, 4), 9)
    with pytest.raises(ResourceFault, match=r"too little memory for one query's scores; free some .* device=cpu"):
        Tiled(Matrix(c), Short(10)).search(q, 7)


def test_a_tile_of_vectors_that_does_not_fit_is_halved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes: list[int] = []

    def tensor(self: Form, vectors: np.ndarray, *, query: bool) -> torch.Tensor:
        if not query:
            if len(vectors) > 300:
                raise torch.OutOfMemoryError
            sizes.append(len(vectors))
        return torch.from_numpy(vectors)

    monkeypatch.setattr(Form, "tensor", tensor)
    q, c = whole_numbers(1, (50, 4), 9), whole_numbers(2, (3500, 4), 9)
    found = Tiled(Matrix(c), Accelerator("cpu", Form(), tile_bytes=4 * 4 * 1000)).search(q, 7)
    np.testing.assert_array_equal(found[1], exact(q, c, 7)[1])
    assert max(sizes) == 250
    assert "the search goes on with tiles of 500 vectors" in capsys.readouterr().err


def test_tiles_stay_on_the_device_between_blocks() -> None:
    reads: list[int] = []

    class Watched(Matrix):
        def tile(self, start: int, stop: int) -> np.ndarray:
            reads.append(start)
            return super().tile(start, stop)

    c = whole_numbers(2, (3500, 4), 9)
    search = Tiled(Watched(c), Accelerator("cpu", Form(), tile_bytes=4 * 4 * 1000))
    for block in range(3):
        search.search(c[block * 10 : block * 10 + 10], 5)
    assert reads == [0, 1000, 2000, 3000]


@pytest.mark.parametrize("form", [Form(None, "fp16"), Form(None, "int8"), Form(8, "fp32")])
def test_an_accelerator_finds_in_every_form_what_is_scored_again(form: Form) -> None:
    rng = np.random.default_rng(5)
    c = rng.standard_normal((3000, 16)).astype(np.float32)
    c /= np.linalg.norm(c, axis=1, keepdims=True)
    fitted = form.fitted(c)
    finder = Tiled(Matrix(c), Accelerator("cpu", fitted, tile_bytes=64 * 900), settle=False)
    search = Rescored(finder, Matrix(c), tiled(Matrix(c), ["cpu"]), over=4, error=form.error)
    scores, ids = search.search(c[:100], 5)
    np.testing.assert_allclose(scores, np.einsum("ij,ikj->ik", c[:100], c[ids]), atol=1e-6)
    right = top_k(c[:100], Matrix(c), 5)
    if form.error is not None:
        np.testing.assert_array_equal(ids, right[1])
    assert np.isin(ids, right[1]).mean() > (0.99 if form.dims is None else 0.5)


@pytest.mark.parametrize("devices", [1, 2, 3, 7])
def test_shards_on_several_devices_merge_to_the_whole(devices: int) -> None:
    q, c = whole_numbers(3, (40, 4), 1), whole_numbers(4, (501, 4), 1)  # with many ties
    scores, ids = tiled(Matrix(c), ["cpu"] * devices).search(q, 30)
    right = top_k(q, Matrix(c), 30)
    np.testing.assert_array_equal(ids, right[1])
    np.testing.assert_array_equal(scores, right[0])


def test_more_devices_than_vectors() -> None:
    c = whole_numbers(4, (3, 4), 5)
    assert tiled(Matrix(c), ["cpu"] * 5).search(c, 9)[1].shape == (3, 3)
