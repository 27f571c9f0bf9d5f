"""Exact nearest neighbours by inner product: tiles of the corpus, a running top-k, bounded memory, stated ties.

One tile of scores exists at a time, so memory depends on the tile and not on the corpus. Within a tile the k best
are found in two stages: the k blocks of columns with the greatest maxima hold the k greatest scores (a score outside
them is at most the k-th greatest block maximum, which k scores reach), so the selection looks at k blocks instead
of the whole row. The work does not depend on the data: clustered vectors cost what random ones cost.

Equal scores go by corpus order, lowest index first, so results do not depend on the selection algorithm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

TILE_BYTES = 64 << 20  # of corpus vectors
SCORE_BYTES = 64 << 20  # of one tile of scores
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
        score_bytes: size of a tile of scores.

    Returns:
        Scores and corpus indices, both of shape (queries, min(k, len(corpus))): greatest score first, equal
        scores by index.
    """
    import torch

    n, dimension = len(corpus), queries.shape[1]
    k = min(k, n)
    wide = max(k, min(n, tile_bytes // (4 * dimension)))  # the first tile fills all k places
    high = max(1, min(len(queries), score_bytes // (4 * wide)))
    scores = np.empty((len(queries), k), np.float32)
    found = np.empty((len(queries), k), np.int64)
    with torch.inference_mode():
        for start in range(0, n, wide):
            stop = min(n, start + wide)
            tile = torch.from_numpy(corpus.tile(start, stop)).to(device).T
            for top in range(0, len(queries), high):
                rows = slice(top, min(len(queries), top + high))
                block = torch.from_numpy(queries[rows]).to(device) @ tile
                values, columns = tile_top_k(block, min(k, stop - start))
                del block
                columns += start
                if start:
                    values, columns = _merge(
                        torch.from_numpy(scores[rows]), torch.from_numpy(found[rows]), values, columns, k
                    )
                scores[rows], found[rows] = values.cpu().numpy(), columns.cpu().numpy()
    return scores, found


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
        maxima, order = torch.topk(scores[:, : blocks * BLOCK].reshape(-1, blocks, BLOCK).amax(2), more, dim=1)
        looked = (order[:, :k, None] * BLOCK + torch.arange(BLOCK, device=scores.device)).flatten(1)
        if blocks * BLOCK < columns:
            rest = torch.arange(blocks * BLOCK, columns, device=scores.device).expand(len(scores), -1)
            looked = torch.cat([looked, rest], dim=1)
        values, place = torch.topk(scores.gather(1, looked), more, dim=1)
        where = looked.gather(1, place)
        # a score equal to the last one may have been left out, here or with its block
        tied = (values[:, -1] == values[:, k - 1]) | (maxima[:, -1] == values[:, k - 1])
    values, where = values[:, :k].contiguous(), where[:, :k].contiguous()
    _settle(scores, values, where, tied.nonzero().flatten())
    return _in_order(values, where)


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
    scores: torch.Tensor, found: torch.Tensor, values: torch.Tensor, columns: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge the running best with a later tile's; the sort is stable, so the earlier tile wins ties."""
    import torch

    both = torch.cat([scores.to(values.device), values], dim=1)
    names = torch.cat([found.to(values.device), columns], dim=1)
    merged, order = both.sort(dim=1, descending=True, stable=True)
    return merged[:, :k], names.gather(1, order[:, :k])
