"""Staged small tables → one sorted table without repeats, a range of keys at a time: memory is that of a range.

Units leave their rows sorted (`sorted_rows`). Keys are cut into ranges of about `RANGE_ROWS` rows by what a few rows of
every unit say; of each range only its slices are read, from files that are mapped and not loaded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geovec_data import arrow
from geovec_data.schema import arrow_schema
from geovec_data.store.staging import mapped

# the key that orders a table and that must be unique in it
KEYS: dict[str, tuple[str, ...]] = {
    "regions": ("id",),
    "items": ("id",),
    "examples": ("id",),
    "qrels": ("example", "item"),
    "pool": ("task", "image", "item", "pool_key"),
}
RANGE_ROWS = 1 << 13
SAMPLED = 64  # keys of a unit that are looked at to cut ranges

LAST = "\U0010ffff"  # stands for null, which Arrow sorts last

Key = tuple[str, ...]


def sorted_rows(table: pa.Table, name: str) -> pa.Table:
    """Return a unit's rows in the order of the table's key; other tables as they are."""
    if name not in KEYS or table.num_rows < 2:
        return table
    return table.take(pc.sort_indices(table, sort_keys=[(k, "ascending") for k in KEYS[name]]))


def merged(files: Sequence[Path], name: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of sorted files, sorted, in batches that hold all rows of every key in them.

    Args:
        files: Arrow files that `sorted_rows` ordered.
        name: table.
    """
    parts = [_Sorted(f, name) for f in files]
    cuts = _cuts(parts)
    starts = [0] * len(parts)
    for cut in [*cuts, None]:
        ends = [len(p) if cut is None else p.place(cut) for p in parts]
        slices = [p.table.slice(a, b - a) for p, a, b in zip(parts, starts, ends, strict=True) if b > a]
        starts = ends
        if slices:
            rows = sorted_rows(pa.concat_tables(slices), name).combine_chunks()
            yield from rows.cast(arrow_schema(name)).to_batches()


class _Sorted:
    """One file's rows and their keys."""

    def __init__(self, file: Path, name: str) -> None:
        self.table = mapped(file)
        self._columns = [self.table.column(k) for k in KEYS[name]]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getitem__(self, row: int) -> Key:
        return tuple(LAST if (v := c[row].as_py()) is None else v for c in self._columns)

    def place(self, key: Key) -> int:
        """Return the first row whose key is not less than `key`."""
        return bisect_left(self, key)


def _cuts(parts: Sequence[_Sorted]) -> list[Key]:
    """Return keys that cut all rows into ranges of about `RANGE_ROWS`."""
    total = sum(len(p) for p in parts)
    ranges = -(-total // RANGE_ROWS)
    if ranges < 2:
        return []
    seen = sorted((p[r], len(p) / SAMPLED) for p in parts for r in _spread(len(p)))
    cuts: list[Key] = []
    rows = 0.0
    for key, weight in seen:
        if rows >= total / ranges * (len(cuts) + 1) and key not in cuts[-1:]:
            cuts.append(key)
        rows += weight
    return cuts


def _spread(count: int) -> list[int]:
    return [count * n // SAMPLED for n in range(SAMPLED)] if count else []


def unique(batches: Iterator[pa.RecordBatch], key: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Keep one row of each key: the least by its content, whatever order equals came in.

    Args:
        batches: sorted; all rows of a key stand in one batch.
        key: names of the key's columns.
    """
    last = arrow.scalar(LAST, pa.string())
    for batch in batches:
        same = np.ones(max(batch.num_rows - 1, 0), dtype=bool)
        for column in (pc.call_function("coalesce", [batch.column(k), last]) for k in key):
            same &= arrow.numbers(pc.equal(column[1:], column[:-1]))
        if not same.any():
            yield batch
            continue
        starts = np.flatnonzero(np.concatenate([[True], ~same]))
        yield batch.take(arrow.integers(_least(batch, starts)))


def _least(batch: pa.RecordBatch, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each run of equal keys, the row whose content sorts first."""
    ends = np.append(starts[1:], batch.num_rows)
    rows = starts.copy()
    for n in np.flatnonzero(ends - starts > 1):
        run: list[dict[str, Any]] = batch.slice(starts[n], ends[n] - starts[n]).to_pylist()
        rows[n] = starts[n] + min(range(len(run)), key=lambda r: repr(run[r]))
    return rows
