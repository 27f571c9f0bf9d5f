"""NVIDIA cuVS as a finder: IVF-Flat on a GPU.

Written against the Python API as documented (https://docs.rapids.ai/api/cuvs/stable/python_api/neighbors_ivf_flat),
and tested with a stand-in for it only: it has not run on a GPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from geovec_data.errors import UserError
from geovec_data.mining.search.corpus import Corpus, Floats, Ints
from geovec_data.mining.search.form import Form


class CuvsFinder:
    """See `geovec_data.mining.search.corpus.Finder`; corpus and index are in the GPU's memory, whole.

    Args:
        corpus: what is searched.
        form: dimensions and precision that the index keeps: fp32 or fp16.
        device: torch device of the GPU.
        lists: how many; None: four times the square root of the corpus's length.
        probes: lists looked at; None: an eighth of them, at least sixteen.

    Raises:
        UserError: when cuVS is not installed.
    """

    def __init__(
        self, corpus: Corpus, form: Form, device: str, *, lists: int | None = None, probes: int | None = None
    ) -> None:
        import torch

        self._api, self._form, self._device = _module(), form, device
        lists = min(lists or max(1, int(4 * len(corpus) ** 0.5)), len(corpus))
        whole = form.tensor(corpus.tile(0, len(corpus)), query=False).to(device)
        parameters = self._api.IndexParams(n_lists=lists, metric="inner_product")
        self._index = self._api.build(parameters, whole)
        self._how = self._api.SearchParams(n_probes=min(lists, probes or max(16, lists // 8)))
        self._torch = torch

    def find(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """See `geovec_data.mining.search.corpus.Finder.find`; cuVS marks a missing neighbour by a large number."""
        asked = self._form.tensor(queries, query=True).to(self._device)
        scores, ids = (self._host(a) for a in self._api.search(self._how, self._index, asked, k))
        return scores.astype(np.float32), np.where((ids < 0) | (ids >= 1 << 62), -1, ids).astype(np.int64)

    def _host(self, array: Any) -> Any:
        # what the library gives has the CUDA array interface, which torch reads
        return self._torch.as_tensor(array, device=self._device).cpu().numpy()


def _module() -> Any:
    try:
        from cuvs.neighbors import ivf_flat
    except ImportError as error:
        raise UserError(
            "search.method=cuvs needs NVIDIA cuVS (its wheels are named after the CUDA version, e.g. cuvs-cu12) and a"
            " GPU; leave search.method out for exact search, or take faiss_ivf"
        ) from error
    return ivf_flat
