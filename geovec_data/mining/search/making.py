"""Makes the search that the options ask for, and measures how much of the exact one it finds."""

from __future__ import annotations

from typing import Any

import numpy as np

from geovec_data.mining.search.corpus import Corpus, Finder, Floats, Searcher
from geovec_data.mining.search.cuvs_index import CuvsFinder
from geovec_data.mining.search.exact import tiled
from geovec_data.mining.search.faiss_index import FaissFinder
from geovec_data.mining.search.form import Form, Precision
from geovec_data.mining.search.rescored import Rescored
from geovec_data.mining.search_config import SearchConfig
from geovec_data.progress import say

_ROUNDING = 1e-6  # scores this near are ties
# as few as find all in 50,000 random and clustered vectors of 256; bf16 is that much coarser than fp16
_OVER: dict[Precision, float] = {"fp32": 1.0, "fp16": 1.5, "int8": 1.5, "bf16": 3.0}
_OVER_LOSSY = 4.0  # of an index, or where dimensions are left out


class SearchMaker:
    """The searches of one run.

    Args:
        config: the options.
        device: torch device of the run.
    """

    def __init__(self, config: SearchConfig, device: str) -> None:
        self._config = config
        self._devices = config.devices or [device]
        self._method = config.method
        if self._method == "cuvs" and not self._devices[0].startswith("cuda"):
            say(f"search.method=cuvs: no CUDA device here; USING EXACT SEARCH ON {self._devices[0].upper()}")
            self._method = "exact"
        on_gpu = self._devices[0].startswith("cuda") and self._method == "exact"
        precision: Precision = ("fp16" if on_gpu else "fp32") if config.precision == "auto" else config.precision
        self._form = Form(config.dims, precision)
        self._measured: dict[str, Any] = {}

    @property
    def _name(self) -> str:
        dims = f", first {self._form.dims} dimensions" if self._form.dims else ""
        return f"search={self._method} ({self._form.precision}{dims})"

    @property
    def _over(self) -> float:
        if self._config.over is not None:
            return self._config.over
        return _OVER[self._form.precision] if self._method == "exact" and self._form.dims is None else _OVER_LOSSY

    @property
    def exact(self) -> bool:
        """Whether what is found is exact."""
        return self._method == "exact" and self._form.error is not None

    def over(self, corpus: Corpus) -> Searcher:
        """Return the search of a corpus."""
        exact = tiled(corpus, self._devices)
        if (self._method == "exact" and not self._form.rough) or not len(corpus):
            return exact
        error = self._form.error if self._method == "exact" else None
        return Rescored(_Late(self, corpus), corpus, exact, over=self._over, error=error)

    def finder(self, corpus: Corpus) -> Finder:
        """Return what finds candidates in a corpus; an index is built."""
        config, form = self._config, self._form
        if config.dims is not None and config.dims >= corpus.dimension:
            form = Form(None, form.precision)
        if self._method == "exact":
            return tiled(corpus, self._devices, form.fitted(corpus.tile(0, min(len(corpus), 4096))))
        if self._method == "cuvs":
            return CuvsFinder(corpus, form, self._devices[0], lists=config.lists, probes=config.probes)
        return FaissFinder(corpus, self._method, form, lists=config.lists, probes=config.probes, breadth=config.breadth)

    def measure(self, name: str, search: Searcher, corpus: Corpus, queries: Floats, k: int) -> None:
        """Measure and say which share of the exact k nearest a search finds, if it is not exact itself.

        Args:
            name: what is searched, for the report.
            search: the search of the corpus.
            corpus: the corpus.
            queries: a sample.
            k: how many neighbours.
        """
        if self.exact or not len(corpus):
            return
        k = min(k, len(corpus))
        facts: dict[str, Any] = {"pool": len(corpus), "k": k, "queries": len(queries)}
        if isinstance(search, Rescored) and search.too_deep(k):
            self._measured[name] = facts | {"recall": 1.0, "searched": "exact search, the pool being small,"}
            return
        recall = recall_of(search.search(queries, k)[0], tiled(corpus, self._devices).search(queries, k)[0])
        self._measured[name] = facts | {"recall": round(recall, 5), "searched": self._name}
        say(
            f"{self._name} finds {100 * recall:.2f} % of the {k} nearest of {name} (measured against"
            f" exact search for {len(queries):,} queries, evenly spaced, in {len(corpus):,} candidates)"
        )

    def facts(self) -> dict[str, Any]:
        """Say how was searched, as JSON values."""
        return {
            "method": self._method,
            "exact": self.exact,
            "precision": self._form.precision,
            "dims": self._form.dims,
            "over": self._over,
            "devices": self._devices,
            "recall": self._measured,
        }


class _Late:
    """A finder that is made when it is first asked: a small pool needs none."""

    def __init__(self, maker: SearchMaker, corpus: Corpus) -> None:
        self._maker, self._corpus = maker, corpus
        self._made: Finder | None = None

    def find(self, queries: Floats, k: int) -> Any:
        self._made = self._made or self._maker.finder(self._corpus)
        return self._made.find(queries, k)


def recall_of(found: Floats, exact: Floats) -> float:
    """Return which share of the exact nearest was found, by scores: among equal ones any will do.

    Args:
        found: exact scores of what was found, shape (queries, k).
        exact: scores of the k nearest, greatest first, shape (queries, k).
    """
    return float((found >= exact[:, -1:] - _ROUNDING).mean())


def sample(count: int, wanted: int) -> Any:
    """Return at most so many numbers below `count`, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))
