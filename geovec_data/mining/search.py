"""Exact nearest neighbours by inner product: tiles of the corpus, a running top-k, bounded memory, stated ties.

A few tiles of scores exist at a time, so memory depends on the tile and not on the corpus. Within a tile the k best
are found in two stages: the k blocks of columns with the greatest maxima hold the k greatest scores (a score outside
them is at most the k-th greatest block maximum, which k scores reach), so the selection looks at k blocks instead
of the whole row. The work does not depend on the data: clustered vectors cost what random ones cost.

Equal scores go by corpus order, lowest index first, so results do not depend on the selection algorithm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Product = Callable[[Floats], "torch.Tensor"]

TILE_BYTES = 64 << 20  # of corpus vectors
SCORE_BYTES = 32 << 20  # of one tile of scores; every CPU thread has one
BLOCK = 32  # columns of a block; of 16 to 64 the fastest here for k = 100 over 50,000
_TIE_CELLS = 4 << 20  # scores looked at at once when ties are settled


class Corpus(Protocol):
    """Vectors that are read tile by tile; they need not fit in memory."""

    def __len__(self) -> int:
        """Return the number of vectors."""
        ...

    def tile(self, start: int, stop: int) -> Floats:
        """Return vectors ``start`` to ``stop``, shape (stop - start, dimension), contiguous."""
        ...


class Matrix:
    """A corpus that is in memory.

    Args:
        vectors: float32, shape (n, dimension).
    """

    def __init__(self, vectors: Floats) -> None:
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self._vectors)

    def tile(self, start: int, stop: int) -> Floats:
        """See `Corpus.tile`."""
        return np.ascontiguousarray(self._vectors[start:stop])


def top_k(
    queries: Floats,
    corpus: Corpus,
    k: int,
    *,
    device: str = "cpu",
    tile_bytes: int = TILE_BYTES,
    score_bytes: int = SCORE_BYTES,
) -> tuple[Floats, Ints]:
    """Find the k greatest inner products of each query, exactly.

    Args:
        queries: float32, shape (queries, dimension).
        corpus: what is searched.
        k: how many; at most ``len(corpus)`` are returned.
        device: torch device that multiplies and selects.
        tile_bytes: size of a tile of corpus vectors.
        score_bytes: size of a tile of scores; each thread of the CPU has one.

    Returns:
        Scores and corpus indices, both of shape (queries, min(k, len(corpus))): greatest score first, equal
        scores by index.
    """
    n, dimension = len(corpus), queries.shape[1]
    k = min(k, n)
    wide = max(k, min(n, tile_bytes // (4 * dimension)))  # the first tile fills all k places
    high = max(1, min(len(queries), score_bytes // (4 * wide)))
    scores = np.empty((len(queries), k), np.float32)
    found = np.empty((len(queries), k), np.int64)
    parts = [slice(top, min(len(queries), top + high)) for top in range(0, len(queries), high)]
    with _engine(device) as (multiply, each):
        for start in range(0, n, wide):
            tile = corpus.tile(start, min(n, start + wide))
            product = multiply(tile)

            def search(rows: slice, start: int = start, product: Product = product) -> None:
                values, columns = tile_top_k(product(queries[rows]), min(k, n - start))
                columns += start
                if start:
                    values, columns = _merge(scores[rows], found[rows], values, columns, k)
                scores[rows], found[rows] = values.cpu().numpy(), columns.cpu().numpy()

            each(search, parts)
    return scores, found


@contextmanager
def _engine(device: str) -> Iterator[tuple[Callable[[Floats], Product], Callable[..., None]]]:
    """Give the device's way to multiply by a tile, and its way to go through parts of the queries.

    On the CPU the parts are shared among threads that work alone: one thread per core without a barrier after
    every step, and numpy's BLAS, which on the processors measured is up to a third faster than torch's.
    """
    import torch

    if device != "cpu":

        def on_device(tile: Floats) -> Product:
            there = torch.from_numpy(tile).to(device).T
            return lambda part: torch.from_numpy(part).to(device) @ there

        def in_turn(work: Callable[[slice], None], parts: list[slice]) -> None:
            with torch.inference_mode():
                for part in parts:
                    work(part)

        yield on_device, in_turn
        return
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

    threads = torch.get_num_threads()
    with (
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):

        def shared(work: Callable[[slice], None], parts: list[slice]) -> None:
            def alone(part: slice) -> None:
                with torch.inference_mode():
                    work(part)

            list(pool.map(alone, parts))

        yield (lambda tile: lambda part: torch.from_numpy(part @ tile.T)), shared
    torch.set_num_threads(threads)  # what the workers set is what threads made later would start with


def tile_top_k(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Select the k greatest of each row of a tile, sorted by (score descending, column ascending).

    Args:
        scores: shape (rows, columns), no NaN.
        k: at most the number of columns.

    Returns:
        Values and columns, shape (rows, k).
    """
    import torch

    columns = scores.shape[1]
    blocks = columns // BLOCK
    more = min(k + 1, columns)  # one score more than asked for tells whether the last one is tied
    if blocks < 4 * k:  # too narrow to save anything
        values, where = torch.topk(scores, more, dim=1)
        tied = (values[:, -1] == values[:, k - 1]) & (more > k)
    else:
        whole = blocks * BLOCK
        cut = scores[:, :whole].reshape(len(scores), blocks, BLOCK)
        maxima, best = torch.topk(cut.amax(2), more, dim=1)
        near = torch.cat([_blocks(cut, best[:, :k]), scores[:, whole:]], dim=1)
        values, place = _top_few(near, maxima[:, k - 1 : k], more)
        block = best.gather(1, (place // BLOCK).clamp(max=k - 1))
        where = torch.where(place < k * BLOCK, block * BLOCK + place % BLOCK, place - k * BLOCK + whole)
        # a score equal to the last one may have been left out, here or with its block
        tied = (values[:, -1] == values[:, k - 1]) | (maxima[:, -1] == values[:, k - 1])
    values, where = values[:, :k].contiguous(), where[:, :k].contiguous()
    _settle(scores, values, where, tied.nonzero().flatten())
    return _in_order(values, where)


def _blocks(cut: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Gather blocks: cut (rows, blocks, BLOCK), chosen (rows, k) → (rows, k · BLOCK)."""
    import torch

    if cut.device.type != "cpu":
        return cut[torch.arange(len(cut), device=cut.device)[:, None], chosen].flatten(1)
    # numpy copies whole blocks where torch goes element by element
    return torch.from_numpy(cut.numpy()[np.arange(len(cut))[:, None], chosen.numpy()]).flatten(1)


def _top_few(scores: torch.Tensor, floor: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Select the k greatest of each row, of which all but the last are known to reach the row's floor.

    Args:
        scores: shape (rows, columns).
        floor: shape (rows, 1); at least k - 1 scores of the row reach it.
        k: how many; where only k - 1 reach the floor the last value is -inf, for it cannot tie.

    Returns:
        Values, greatest first, and columns, shape (rows, k).
    """
    import torch

    if scores.device.type != "cpu":
        return torch.topk(scores, k, dim=1)
    flat, width = scores.numpy().ravel(), scores.shape[1]
    hits = np.flatnonzero((scores >= floor).numpy())
    row = hits // width
    counts = np.bincount(row, minlength=len(scores))
    packed = np.full((len(scores), max(k, int(counts.max()))), -np.inf, np.float32)
    columns = np.zeros(packed.shape, np.int64)
    at = (row, np.arange(len(hits)) - (np.cumsum(counts) - counts)[row])
    packed[at], columns[at] = flat[hits], hits % width
    values, place = torch.topk(torch.from_numpy(packed), k, dim=1)
    return values, torch.from_numpy(columns).gather(1, place)


def _settle(scores: torch.Tensor, values: torch.Tensor, where: torch.Tensor, rows: torch.Tensor) -> None:
    """Choose again, in place, for rows whose k-th score occurs more often than it is taken: lowest columns first."""
    k = values.shape[1]
    step = max(1, _TIE_CELLS // scores.shape[1])
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        part, last = scores[some], values[some, -1:]
        above, equal = part > last, part == last
        need = k - above.sum(1, keepdim=True)
        taken = above | (equal & (equal.cumsum(1) <= need))
        columns = taken.nonzero()[:, 1].view(len(some), k)
        picked, order = part.gather(1, columns).sort(dim=1, descending=True, stable=True)
        values[some], where[some] = picked, columns.gather(1, order)


def _in_order(values: torch.Tensor, where: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Put equal neighbours of descending rows into column order."""
    rows = (values[:, 1:] == values[:, :-1]).any(1).nonzero().flatten()
    if len(rows):
        columns, order = where[rows].sort(dim=1)
        picked, again = values[rows].gather(1, order).sort(dim=1, descending=True, stable=True)
        values[rows], where[rows] = picked, columns.gather(1, again)
    return values, where


def _merge(
    scores: Floats, found: Ints, values: torch.Tensor, columns: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge the running best with a later tile's; the sort is stable, so the earlier tile wins ties."""
    import torch

    both = torch.cat([torch.from_numpy(scores).to(values.device), values], dim=1)
    names = torch.cat([torch.from_numpy(found).to(values.device), columns], dim=1)
    merged, order = both.sort(dim=1, descending=True, stable=True)
    return merged[:, :k], names.gather(1, order[:, :k])
