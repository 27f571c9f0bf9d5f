"""Candidates that were found in a cheaper way, scored again in full: exact scores, and misses that are measured."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from geovec_data.mining.search.corpus import Corpus, Finder, Floats, Ints, Searcher

_STEP_BYTES = 16 << 20  # of vectors that are scored again at once, by each thread
_SMALL = 4  # a list that is this part of the corpus, or more, is not worth making


class Rescored:
    """Searches by a finder's longer list; see `geovec_data.mining.search.corpus.Searcher`.

    A query for which the finder has fewer than k candidates is searched exactly, and so is every query of a search
    so deep that the list would be a good part of the corpus.

    Args:
        finder: finds candidates.
        corpus: what is searched.
        exact: the exact search.
        over: how many times k candidates are asked of the finder.
        error: how far its scores can be from the exact ones: a query whose list could lack one of the k nearest is
            then searched exactly, so that the outcome is exact. None: unknown, and it is approximate.
    """

    def __init__(
        self, finder: Finder, corpus: Corpus, exact: Searcher, *, over: float, error: float | None = None
    ) -> None:
        self._finder, self._corpus, self._exact = finder, corpus, exact
        self._over, self._error = over, error
        self.queries = 0
        self.again = 0

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """See `Searcher.search`."""
        n = len(self._corpus)
        k = min(k, n)
        if self.too_deep(k):
            return self._exact.search(queries, k)
        rough, ids = self._finder.find(queries, int(np.ceil(k * self._over)))
        scores = self._scores(queries, ids)
        order = np.lexsort((ids, -scores))[:, :k]
        best, found = np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
        unsure = found[:, -1] < 0
        if self._error is not None:
            unsure |= best[:, -1] < rough[:, -1] + self._error
        rows = np.flatnonzero(unsure)
        self.queries += len(queries)
        self.again += len(rows)
        if len(rows):
            best[rows], found[rows] = self._exact.search(queries[rows], k)
        return best, found

    def too_deep(self, k: int) -> bool:
        """Tell whether a search for k is exact because the list would be a good part of the corpus."""
        return int(np.ceil(k * self._over)) * _SMALL >= len(self._corpus)

    def _scores(self, queries: Floats, ids: Ints) -> Floats:
        """Return exact scores, shape as `ids`; -inf for -1."""
        out = np.full(ids.shape, -np.inf, np.float32)
        step = max(1, _STEP_BYTES // (4 * queries.shape[1] * ids.shape[1]))

        def part(top: int) -> None:
            some = ids[top : top + step]
            vectors = self._corpus.rows(np.maximum(some, 0).ravel()).reshape(*some.shape, -1)
            scores = np.matmul(vectors, queries[top : top + step, :, None])[:, :, 0]
            out[top : top + step] = np.where(some < 0, -np.inf, scores)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(part, range(0, len(ids), step)))
        return out
