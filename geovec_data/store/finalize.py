"""The final stage: staged units → one dataset. Deterministic, and redone whole whenever a unit changed.

Duplicate images are settled, tables sorted and deduplicated, splits assigned, leaks found; every byte depends on
the units' content and the options only. pyarrow merges and writes, DuckDB joins (spilling to a capped folder).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from geovec_data.compositions.compose import compose
from geovec_data.compositions.options import ComposeOptions
from geovec_data.dedup.exact import find_copies
from geovec_data.dedup.filters import rows_that_stay
from geovec_data.dedup.near import find_near
from geovec_data.dedup.options import DedupOptions
from geovec_data.dedup.queries import REWRITTEN, join_queries
from geovec_data.dedup.removed import removed
from geovec_data.leaks.gate import Gate
from geovec_data.leaks.options import LeakOptions, Rule
from geovec_data.schema import arrow_schema
from geovec_data.splits.options import SplitOptions
from geovec_data.store.assign import split_facts, write_splits
from geovec_data.store.counts import count, sizes
from geovec_data.store.image_shards import write_images
from geovec_data.store.journal import UnitRecord
from geovec_data.store.leak_shards import write_kept, write_leaks
from geovec_data.store.manifest import Shard
from geovec_data.store.memory import give_back, lean_heap
from geovec_data.store.merge import KEYS, merged, sorted_rows, unique
from geovec_data.store.sql import quoted, staged, staged_files, stream, view
from geovec_data.store.writer import write_stream

MEMORY_LIMIT = "256MB"
SPILL_LIMIT = "64GB"
KEPT = "16MB"  # of what DuckDB freed; its own choice is 128 MB, and less costs it a fifth of its time
ROWS_PER_THREAD = 1 << 20  # of examples; a thread that has fewer costs buffers and saves no time
_MERGED_MEANWHILE = 1 << 14  # images; merging so many takes as long as one thread needs to search them
_SPLIT_BY = ("regions", "examples")  # what is merged first: the split needs it, and the leak gate the split


@dataclass(frozen=True, slots=True)
class Finished:
    """What the final stage made; `leak` says why the leak gate refuses it, None: it does not."""

    shards: tuple[Shard, ...]
    counts: dict[str, Any]
    leaks: dict[str, Any]
    leak: str | None


def finalize(
    out: Path,
    staging: Path,
    units: list[UnitRecord],
    options: Mapping[str, SplitOptions],
    compositions: Mapping[str, ComposeOptions],
    dedup: DedupOptions,
    leak_options: LeakOptions,
    known: Mapping[str, tuple[Rule, ...]],
    threads: int,
) -> Finished:
    """Write the dataset's tables from staged units into ``out/.next`` and swap them in.

    Args:
        out: dataset directory.
        staging: folder of the staged units.
        units: finished units, sorted by name.
        options: corpus → its split options.
        compositions: corpus → how its compositions are derived, for those that have the task.
        dedup: whose copy of an image stays, and whether repeated queries are joined.
        leak_options: policies and thresholds of the leak gate.
        known: corpus → rules by which its split is known to leak.
        threads: threads; the result does not depend on it.
    """
    fresh = out / ".next"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    spill = out / ".spill"
    pa.set_memory_pool(pa.system_memory_pool())  # the others keep what was freed: up to 30 MB here
    lean_heap()
    con = duckdb.connect(":memory:")
    try:
        con.execute(f"SET memory_limit='{MEMORY_LIMIT}'; SET threads={_joiners(units, threads)}")
        con.execute("SET preserve_insertion_order=false")
        con.execute(f"SET allocator_flush_threshold='{KEPT}'; SET allocator_bulk_deallocation_flush_threshold='{KEPT}'")
        con.execute(
            "SET enable_progress_bar=false; SET enable_external_file_cache=false"
        )  # files that were just written are in the page cache
        con.execute(f"SET temp_directory='{quoted(spill)}'; SET max_temp_directory_size='{SPILL_LIMIT}'")
        shards: list[Shard] = []
        copies = find_copies(con, staging, units, dedup)
        near = find_near(con, staging, units, copies, dedup, threads)
        copies = replace(copies, dropped=frozenset(near.gone))
        stays = rows_that_stay(con, staging, units, near.gone)
        disk = _Flusher(fresh)
        shards += disk.add(write_images(fresh, staging, units, copies))
        tables = {t: disk.add(s) for t, s in _merged_tables(con, fresh, staging, units, stays, _SPLIT_BY)}
        for table, of in (("images", shards), *tables.items()):
            view(con, fresh, of, table)
        split = disk.add(write_splits(con, fresh, options))
        give_back()
        gate = Gate(con, staged_files(staging, units, "thumbs"), leak_options, _searchers(units, threads))
        rest = [t for t in KEYS if t not in _SPLIT_BY]
        tables |= {t: disk.add(s) for t, s in _merged_tables(con, fresh, staging, units, stays, rest)}
        tables["rejects"] = disk.add(_rejects(con, fresh, staging, units, removed(copies, near)))
        for table in (*rest, "rejects"):
            view(con, fresh, tables[table], table)
        shards += [s for table in (*KEYS, "rejects") for s in tables[table]] + split
        written = write_kept(gate, fresh)
        again = {s.path for s in written}  # what the gate drops changes the split that was just written
        shards = [s for s in shards if s.path not in again]
        first = {id(s) for s in shards}
        shards += disk.add(written)
        shards += disk.add(compose(con, fresh, shards, compositions))
        shards, joined = join_queries(con, fresh, shards) if dedup.queries else (shards, {})
        counts = count(con) | split_facts(con, options)
        verdict, leaks = write_leaks(gate, fresh, known)  # counted while the search was under way
        at = sum(id(s) in first for s in shards)
        shards[at:at] = disk.add(leaks)
        counts = sizes(shards) | counts
        counts |= {"joined_queries": joined} if joined else {}
        counts |= {"near_duplicates": near.counts} if near.counts else {}
        disk.finish(shards)
    finally:
        con.close()
        shutil.rmtree(spill, ignore_errors=True)
    return Finished(tuple(shards), counts, verdict.rules, verdict.fault)


def _joiners(units: list[UnitRecord], threads: int) -> int:
    """Return how many of the threads DuckDB gets."""
    return min(threads, 1 + sum(u.files["examples"][0] for u in units) // ROWS_PER_THREAD)


def _searchers(units: list[UnitRecord], threads: int) -> int:
    """Return how many threads look for near-duplicates while this one merges; of many images that takes far longer."""
    images = sum(u.files["images"][0] for u in units)
    return max(1, threads - (images < _MERGED_MEANWHILE))


def swap_in(out: Path, tables: tuple[str, ...]) -> None:
    """Put the tables of ``out/.next`` in place. The manifest is gone meanwhile, so half a swap is no dataset."""
    for table in tables:
        shutil.rmtree(out / table, ignore_errors=True)
        source = out / ".next" / table
        if source.is_dir():
            source.rename(out / table)
    shutil.rmtree(out / ".next")


class _Flusher:
    """Brings shards to disk in the background while the next ones are made; all are there before a manifest is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(2)
        self._pending: list[Future[None]] = []

    def add(self, shards: list[Shard]) -> list[Shard]:
        """Begin to flush those of tables that are not written anew; returns the shards."""
        self._begin(s for s in shards if s.table not in REWRITTEN)
        return shards

    def _begin(self, shards: Iterable[Shard]) -> None:
        self._pending += [self._pool.submit(self._flush, self._folder / s.path) for s in shards]

    def finish(self, shards: list[Shard]) -> None:
        """Flush what was left of all the shards and wait; raises what any of them met."""
        self._begin(s for s in shards if s.table in REWRITTEN)
        self._pool.shutdown(wait=True)
        for future in self._pending:
            future.result()

    @staticmethod
    def _flush(file: Path) -> None:
        with file.open("rb") as handle:
            os.fsync(handle.fileno())


def _merged_tables(
    con: duckdb.DuckDBPyConnection,
    fresh: Path,
    staging: Path,
    units: list[UnitRecord],
    stays: Mapping[str, str],
    tables: Sequence[str],
) -> Iterator[tuple[str, list[Shard]]]:
    """Merge tables; yields each with its shards."""
    for table in tables:
        rows = merged(staged_files(staging, units, table), table)
        if table in stays:
            rows = _staying(con, rows, table, stays[table])
        yield table, write_stream(fresh, table, unique(rows, KEYS[table]))
        give_back()


def _staying(
    con: duckdb.DuckDBPyConnection, batches: Iterator[pa.RecordBatch], table: str, stays: str
) -> Iterator[pa.RecordBatch]:
    """Leave out the rows for which a SQL condition does not hold."""
    for batch in batches:
        con.register("_batch", batch)
        kept = pa.Table.from_batches(list(stream(con, f"SELECT * FROM _batch WHERE {stays}", table)), batch.schema)
        con.unregister("_batch")
        yield from sorted_rows(kept, table).combine_chunks().to_batches()


def _rejects(
    con: duckdb.DuckDBPyConnection,
    fresh: Path,
    staging: Path,
    units: list[UnitRecord],
    gone: pa.Table,
) -> list[Shard]:
    schema = arrow_schema("rejects")
    con.register("_duplicates", gone)
    source = staged(con, staging, units, "rejects")
    union = "SELECT * FROM _duplicates" + (f" UNION ALL SELECT * FROM {source}" if source else "")
    names = ", ".join(schema.names)
    sql = f"SELECT {names} FROM ({union}) ORDER BY corpus, path, stage, level, code, detail"
    shards = write_stream(fresh, "rejects", stream(con, sql, "rejects"))
    con.unregister("_duplicates")
    return shards
