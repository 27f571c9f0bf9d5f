"""FAISS as a finder: Flat, IVF and HNSW, with the seeds that it has by default, which are fixed."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from geovec_data.errors import UserError
from geovec_data.mining.search.corpus import Corpus, Floats, Ints
from geovec_data.mining.search.engines import TILE_BYTES
from geovec_data.mining.search.form import Form

Kind = Literal["faiss_flat", "faiss_ivf", "faiss_hnsw"]

_STORED = {"fp32": "Flat", "bf16": "SQbf16", "fp16": "SQfp16", "int8": "SQ8"}
_LINKS = 32  # of a node of HNSW
_PER_LIST = 64  # training vectors for each list of IVF


class FaissFinder:
    """See `geovec_data.mining.search.corpus.Finder`; the index is in memory, whole.

    Args:
        corpus: what is searched; it is added tile by tile.
        kind: which index.
        form: dimensions and precision that the index keeps.
        lists: IVF: how many; None: four times the square root of the corpus's length.
        probes: IVF: lists looked at; None: an eighth of them, at least sixteen.
        breadth: HNSW: candidates followed at once; None: twice those asked for, at least 128.

    Raises:
        UserError: when faiss is not installed.
    """

    def __init__(
        self,
        corpus: Corpus,
        kind: Kind,
        form: Form,
        *,
        lists: int | None = None,
        probes: int | None = None,
        breadth: int | None = None,
    ) -> None:
        self._faiss, self._kind, self._form, self._breadth = _module(), kind, form, breadth
        n = len(corpus)
        lists = min(lists or max(1, int(4 * n**0.5)), max(1, n // 39))  # FAISS asks for 39 vectors a list
        dimension = form.dims or corpus.dimension
        stored = _STORED[form.precision]
        name = {
            "faiss_flat": stored,
            "faiss_ivf": f"IVF{lists},{stored}",
            "faiss_hnsw": f"HNSW{_LINKS},{stored}",
        }[kind]
        self._index = self._faiss.index_factory(dimension, name, self._faiss.METRIC_INNER_PRODUCT)
        if not self._index.is_trained:
            some = np.linspace(0, n - 1, min(n, _PER_LIST * max(lists, 256))).astype(np.int64)
            self._index.train(form.cut(corpus.rows(np.unique(some))))
        if kind == "faiss_ivf":
            self._index.nprobe = min(lists, probes or max(16, lists // 8))
        self._fill(corpus)

    def _fill(self, corpus: Corpus) -> None:
        threads = self._faiss.omp_get_max_threads()
        if self._kind == "faiss_hnsw":  # threads link nodes in the order in which they come to them
            self._faiss.omp_set_num_threads(1)
        try:
            wide = max(1, TILE_BYTES // (4 * corpus.dimension))
            for start in range(0, len(corpus), wide):
                self._index.add(
                    np.ascontiguousarray(self._form.cut(corpus.tile(start, min(len(corpus), start + wide))))
                )
        finally:
            self._faiss.omp_set_num_threads(threads)

    def find(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """See `geovec_data.mining.search.corpus.Finder.find`."""
        if self._kind == "faiss_hnsw":
            self._index.hnsw.efSearch = max(k, self._breadth or max(2 * k, 128))
        scores, ids = self._index.search(np.ascontiguousarray(self._form.cut(queries)), k)
        return scores, ids


def _module() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise UserError(
            "search.method=faiss_… needs FAISS: pip install 'geovec[faiss]', or leave search.method out (exact search)"
        ) from error
    return faiss
