"""The stored candidates of one task, in columns of 32 bits: fifty million take less than a gigabyte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geovec_data.mining.block import Candidates, Floats, Positive
from geovec_data.mining.items import NONE, Ints, Items, Numbers, filled, ranges, spread
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.scope import Scope, Source
from geovec_data.mining.task import SOURCES

_TEXTS = ("example", "item", "source")


class StoredTask:
    """The stored candidates and positives' scores of one task; see `geovec_data.mining.similarity.Positives`.

    Args:
        folder: the run's folder.
        plan: the task.
        items: the items' columns.
    """

    def __init__(self, folder: Path, plan: TaskPlan, items: Items) -> None:
        scores = _read(folder / "positive_scores.parquet", ["example", "low", "high"])
        row = _coded(scores["example"], plan.examples)
        at = np.empty(len(plan.examples), np.int64)
        at[row[row != NONE]] = np.flatnonzero(row != NONE)
        self._low, self._high = (_column(scores, n)[at] for n in ("low", "high"))
        table = _read(folder / "candidates.parquet", [*_TEXTS, "rank", "score"])
        row = _coded(table["example"], plan.examples)
        source = _coded(table["source"], pa.array(SOURCES))
        place = _places(table["item"], plan, items)
        rank, score = _column(table, "rank"), _column(table, "score")
        del table
        scopes = {}
        for number, name in enumerate(SOURCES):
            chosen: Any = (source == number) & (row != NONE)
            chosen = slice(None) if chosen.all() else np.flatnonzero(chosen)
            if not _ascending(row[chosen], rank[chosen]):  # of an example that is ranked in its scene
                chosen = np.arange(len(row))[chosen]
                chosen = chosen[np.lexsort((rank[chosen], row[chosen]))]
            scopes[name] = _StoredScope(row[chosen], place[chosen], score[chosen], plan)
        self.search: Scope = scopes.pop(SOURCES[0])
        self.others: dict[str, Source] = {**scopes}

    def positive(self, examples: Ints) -> Positive:
        """See `geovec_data.mining.similarity.Positives`."""
        return Positive(self._low[examples], self._high[examples])


class _StoredScope:
    def __init__(self, row: Numbers, place: Numbers, score: Floats, plan: TaskPlan) -> None:
        self._place, self._score, self._pool = place, score, plan.pool
        count = len(plan.examples)
        self._starts: Ints = np.searchsorted(row, np.arange(count + 1, dtype=row.dtype))
        self.examples: Ints = np.arange(count)

    def sizes(self, examples: Ints) -> Ints:
        """Return how many candidates are stored of each example."""
        out: Ints = self._starts[examples + 1] - self._starts[examples]
        return out

    def search(self, examples: Ints, depth: int) -> Candidates:
        """Return the first `depth` stored candidates of each example."""
        begin = self._starts[examples]
        end = np.minimum(self._starts[examples + 1], begin + depth)
        chosen = ranges(begin, end)
        place = self._place[chosen].astype(np.int64)
        return Candidates(spread(end - begin), place, self._pool[place], self._score[chosen])


def _read(file: Path, columns: list[str]) -> pa.Table:
    """Read columns, texts as numbers into one dictionary: an id of 32 digits is then four bytes."""
    table = pq.read_table(file, columns=columns, read_dictionary=[n for n in columns if n in _TEXTS])
    return table.unify_dictionaries()


def _coded(column: pa.ChunkedArray, values: pa.Array) -> Numbers:
    """Return the number of each row's text among values, or -1."""
    return _numbers(column, lambda texts: filled(pc.index_in(texts, value_set=values)))


def _places(column: pa.ChunkedArray, plan: TaskPlan, items: Items) -> Numbers:
    """Return the place of each row's item in the task's pool; of an item of another task's, any number."""
    return _numbers(column, lambda ids: np.searchsorted(plan.pool, items.numbers(ids, "candidates")))


def _numbers(column: pa.ChunkedArray, of: Any) -> Numbers:
    if not column.num_chunks:
        return np.zeros(0, np.int32)
    known = of(column.chunk(0).dictionary).astype(np.int32)
    return np.concatenate([known[np.asarray(chunk.indices)] for chunk in column.chunks])


def _column(table: pa.Table, name: str) -> NDArray[Any]:
    out: NDArray[Any] = table[name].to_numpy()
    return out


def _ascending(row: Numbers, rank: Numbers) -> bool:
    later = row[1:] > row[:-1]
    later |= (row[1:] == row[:-1]) & (rank[1:] > rank[:-1])
    return bool(later.all())
