"""The final stage: staged units → one dataset. Deterministic, and redone whole whenever a unit changed.

Duplicate images are settled, tables sorted and deduplicated, splits assigned, leaks counted; every byte depends on
the units' content and the options only. DuckDB sorts (spilling to a capped folder), pyarrow writes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from geovec_data import leaks
from geovec_data.recipe import SplitOptions
from geovec_data.schema import arrow_schema
from geovec_data.store.assign import write_splits
from geovec_data.store.counts import count
from geovec_data.store.image_shards import Duplicates, duplicate_images, write_images
from geovec_data.store.journal import UnitRecord
from geovec_data.store.manifest import Shard
from geovec_data.store.sql import path_list, quoted, staged, stream, view
from geovec_data.store.writer import write_stream

MEMORY_LIMIT = "1GB"
SPILL_LIMIT = "64GB"

# how rows of equal key are settled: all columns decide, so that the order of reading does not
_SORTED = {
    "regions": ("id", "*"),
    "items": ("id", "*"),
    "examples": ("id", "scene_key", "*"),
    "qrels": ("example", "item"),
    "pool": ("task", "image", "item"),
}


@dataclass(frozen=True, slots=True)
class Finished:
    """What the final stage made."""

    shards: tuple[Shard, ...]
    counts: dict[str, Any]
    leaks: dict[str, Any]


def finalize(out: Path, staging: Path, units: list[UnitRecord], options: SplitOptions, threads: int) -> Finished:
    """Write the dataset's tables from staged units into ``out/.next`` and swap them in.

    Args:
        out: dataset directory.
        staging: folder of the staged units.
        units: finished units, sorted by name.
        options: split options.
        threads: DuckDB threads; the result does not depend on it.
    """
    fresh = out / ".next"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    spill = out / ".spill"
    con = duckdb.connect(":memory:")
    try:
        con.execute(f"SET memory_limit='{MEMORY_LIMIT}'; SET threads={threads}; SET preserve_insertion_order=false")
        con.execute(f"SET temp_directory='{quoted(spill)}'; SET max_temp_directory_size='{SPILL_LIMIT}'")
        shards: list[Shard] = []
        duplicates = duplicate_images(con, staging, units)
        shards += write_images(fresh, staging, units, duplicates)
        for table, order in _SORTED.items():
            shards += _merge(con, fresh, staging, units, table, order)
        shards += _rejects(con, fresh, staging, units, duplicates)
        for table in ("images", *_SORTED):
            view(con, fresh, shards, table)
        shards += write_splits(con, fresh, options)
        found = leaks.report(con, options.method)
        counts = count(con, fresh, shards)
    finally:
        con.close()
        shutil.rmtree(spill, ignore_errors=True)
    return Finished(tuple(shards), counts, found)


def swap_in(out: Path, tables: tuple[str, ...]) -> None:
    """Put the tables of ``out/.next`` in place. The manifest is gone meanwhile, so half a swap is no dataset."""
    for table in tables:
        shutil.rmtree(out / table, ignore_errors=True)
        source = out / ".next" / table
        if source.is_dir():
            source.rename(out / table)
    shutil.rmtree(out / ".next")


def bring_to_disk(out: Path, shards: tuple[Shard, ...]) -> None:
    """Flush every shard to disk, several at a time; after this a manifest may name them."""
    from concurrent.futures import ThreadPoolExecutor

    def flush(shard: Shard) -> None:
        with (out / shard.path).open("rb") as handle:
            os.fsync(handle.fileno())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(flush, shards))


def _merge(
    con: duckdb.DuckDBPyConnection,
    fresh: Path,
    staging: Path,
    units: list[UnitRecord],
    table: str,
    order: tuple[str, ...],
) -> list[Shard]:
    files = staged(staging, units, table)
    if not files:
        return write_stream(fresh, table, [])
    names = arrow_schema(table).names
    columns = [c for c in order if c != "*"]
    rest = [n for n in names if n not in columns] if "*" in order else []
    by = ", ".join(columns + [f"CAST({n} AS VARCHAR)" for n in rest])
    sql = f"SELECT {', '.join(names)} FROM read_parquet({path_list(files)}) ORDER BY {by}"
    key = ["id"] if columns[0] == "id" else columns
    return write_stream(fresh, table, _unique(stream(con, sql, table), key))


def _unique(batches: Iterator[pa.RecordBatch], key: list[str]) -> Iterator[pa.RecordBatch]:
    """Keep the first of consecutive rows with an equal key."""
    last: tuple[Any, ...] | None = None
    for batch in batches:
        keys = list(zip(*(batch.column(k).to_pylist() for k in key), strict=True))
        keep = []
        for k in keys:
            keep.append(k != last)
            last = k
        yield batch if all(keep) else batch.filter(pa.array(keep))


def _rejects(
    con: duckdb.DuckDBPyConnection,
    fresh: Path,
    staging: Path,
    units: list[UnitRecord],
    duplicates: Duplicates,
) -> list[Shard]:
    schema = arrow_schema("rejects")
    extra = pa.Table.from_pylist(
        [
            {
                "corpus": corpus,
                "path": key,
                "stage": "final",
                "code": "duplicate_image",
                "detail": f"byte-identical to {first}, which is kept; its labels and texts are joined to it",
                "level": "scene",
            }
            for (_, key), (first, corpus, _) in duplicates.items()
        ],
        schema=schema,
    )
    con.register("_duplicates", extra)
    files = staged(staging, units, "rejects")
    union = "SELECT * FROM _duplicates" + (
        f" UNION ALL SELECT * FROM read_parquet({path_list(files)})" if files else ""
    )
    names = ", ".join(schema.names)
    sql = f"SELECT {names} FROM ({union}) ORDER BY corpus, path, stage, level, code, detail"
    shards = write_stream(fresh, "rejects", stream(con, sql, "rejects"))
    con.unregister("_duplicates")
    return shards
