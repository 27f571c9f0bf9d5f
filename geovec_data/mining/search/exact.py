"""Exact nearest neighbours by inner product: tiles of the corpus, a running top-k, bounded memory, stated ties.

A few tiles of scores exist at a time, so memory depends on the tile and not on the corpus. Equal scores go by corpus
order, lowest index first.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from geovec_data.mining.search.corpus import Corpus, Floats, Ints, Searcher, Shard
from geovec_data.mining.search.engines import Engine, engine
from geovec_data.mining.search.form import Form
from geovec_data.mining.search.selection import tile_top_k

if TYPE_CHECKING:
    import torch


class Tiled:
    """Searches tile by tile; see `geovec_data.mining.search.corpus.Searcher`.

    Args:
        corpus: what is searched.
        by: who multiplies; it keeps tiles of this corpus, so it belongs to this search alone.
        settle: whether equal scores go by index; see `tile_top_k`.
    """

    def __init__(self, corpus: Corpus, by: Engine, *, settle: bool = True) -> None:
        self._corpus, self._by, self._settle = corpus, by, settle

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """See `Searcher.search`."""
        n = len(self._corpus)
        k = min(k, n)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        found = np.full((len(queries), k), -1, np.int64)
        asked = self._by.queries(queries)
        start = 0
        while start < n:
            tile, stop = self._by.tile(self._corpus, start, k)
            high = max(1, min(len(queries), self._by.score_bytes // (4 * (stop - start))))

            def work(rows: slice, tile: object = tile, start: int = start, wide: int = stop - start) -> None:
                values, columns = tile_top_k(self._by.product(asked[rows], tile), min(k, wide), settle=self._settle)
                values, columns = values.float(), columns + start
                if start:
                    values, columns = _merged(scores[rows], found[rows], values, columns, k)
                scores[rows], found[rows] = values.cpu().numpy(), columns.cpu().numpy()

            self._by.each(work, len(queries), high)
            start = stop
        return scores, found

    def find(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """See `geovec_data.mining.search.corpus.Finder`."""
        return self.search(queries, k)


class Sharded:
    """Searches parts of a corpus at once, each by its own searcher, and merges what they find.

    Args:
        parts: searchers with the index of their first vector in the whole, ascending.
    """

    def __init__(self, parts: Sequence[tuple[int, Searcher]]) -> None:
        self._parts = parts

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """See `Searcher.search`."""
        with ThreadPoolExecutor(len(self._parts)) as pool:
            found = list(pool.map(lambda part: part[1].search(queries, k), self._parts))
        return merged([(s, i + start) for (s, i), (start, _) in zip(found, self._parts, strict=True)], k)

    def find(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """See `geovec_data.mining.search.corpus.Finder`."""
        return self.search(queries, k)


def merged(found: Sequence[tuple[Floats, Ints]], k: int) -> tuple[Floats, Ints]:
    """Merge what was found in parts of a corpus, given in the order of the parts; at most k of each query."""
    scores, ids = (np.concatenate(v, axis=1) for v in zip(*found, strict=True))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]  # stable: the earlier part wins ties
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)


def tiled(corpus: Corpus, devices: Sequence[str], form: Form | None = None) -> Tiled | Sharded:
    """Return the search of a corpus on one device, or of an equal share of it on each of several."""
    form = form or Form()
    cuts = [len(corpus) * n // len(devices) for n in range(len(devices) + 1)]
    parts = [
        (start, Tiled(Shard(corpus, start, stop), engine(device, form), settle=not form.rough))
        for device, start, stop in zip(devices, cuts, cuts[1:], strict=False)
        if stop > start
    ]
    return parts[0][1] if len(parts) == 1 else Sharded(parts)


def top_k(
    queries: Floats,
    corpus: Corpus,
    k: int,
    *,
    device: str = "cpu",
    tile_bytes: int | None = None,
    score_bytes: int | None = None,
) -> tuple[Floats, Ints]:
    """Find the k greatest inner products of each query, exactly; see `Searcher.search`.

    Args:
        queries: float32, shape (queries, dimension).
        corpus: what is searched.
        k: how many; at most ``len(corpus)`` are returned.
        device: torch device that multiplies and selects.
        tile_bytes: size of a tile of corpus vectors.
        score_bytes: size of a tile of scores; each thread of the CPU has one.
    """
    return Tiled(corpus, engine(device, Form(), tile_bytes, score_bytes)).search(queries, k)


def _merged(
    scores: Floats, found: Ints, values: torch.Tensor, columns: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge the running best with a later tile's; the sort is stable, so the earlier tile wins ties."""
    import torch

    both = torch.cat([torch.from_numpy(scores).to(values.device), values], dim=1)
    names = torch.cat([torch.from_numpy(found).to(values.device), columns], dim=1)
    merged, order = both.sort(dim=1, descending=True, stable=True)
    return merged[:, :k], names.gather(1, order[:, :k])
