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
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geovec_data import leaks, split
from geovec_data.ids import digest
from geovec_data.recipe import SplitOptions
from geovec_data.schema import BUILD_TABLES, arrow_schema
from geovec_data.store.journal import UnitRecord
from geovec_data.store.manifest import Shard
from geovec_data.store.writer import ShardWriter, write_stream

MEMORY_LIMIT = "1GB"
SPILL_LIMIT = "64GB"
BATCH_ROWS = 8192
SMALL_UNIT = 4 << 20  # image files below this are packed together, the others linked as they are
PACKED = 32 << 20

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
        con.execute(f"SET temp_directory='{_quoted(spill)}'; SET max_temp_directory_size='{SPILL_LIMIT}'")
        shards: list[Shard] = []
        duplicates = _duplicate_images(con, staging, units)
        shards += _images(fresh, staging, units, duplicates)
        for table, order in _SORTED.items():
            shards += _merge(con, fresh, staging, units, table, order)
        shards += _rejects(con, fresh, staging, units, duplicates)
        for table in ("images", *_SORTED):
            _view(con, fresh, shards, table)
        shards += _splits(con, fresh, options)
        found = leaks.report(con, options.method)
        counts = _counts(con, fresh, shards)
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


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _list(paths: list[Path]) -> str:
    return "[" + ", ".join(f"'{_quoted(p)}'" for p in paths) + "]"


def _staged(staging: Path, units: list[UnitRecord], table: str) -> list[Path]:
    return [staging / u.unit / f"{table}.parquet" for u in units if u.files[table][0]]


def _stream(con: duckdb.DuckDBPyConnection, sql: str, table: str) -> Iterator[pa.RecordBatch]:
    reader: pa.RecordBatchReader = con.sql(sql).to_arrow_reader(BATCH_ROWS)
    schema = arrow_schema(table)
    for batch in reader:
        yield from pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_batches()


def _merge(
    con: duckdb.DuckDBPyConnection,
    fresh: Path,
    staging: Path,
    units: list[UnitRecord],
    table: str,
    order: tuple[str, ...],
) -> list[Shard]:
    files = _staged(staging, units, table)
    if not files:
        return write_stream(fresh, table, [])
    names = arrow_schema(table).names
    columns = [c for c in order if c != "*"]
    rest = [n for n in names if n not in columns] if "*" in order else []
    by = ", ".join(columns + [f"CAST({n} AS VARCHAR)" for n in rest])
    sql = f"SELECT {', '.join(names)} FROM read_parquet({_list(files)}) ORDER BY {by}"
    key = ["id"] if columns[0] == "id" else columns
    return write_stream(fresh, table, _unique(_stream(con, sql, table), key))


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


def _duplicate_images(
    con: duckdb.DuckDBPyConnection, staging: Path, units: list[UnitRecord]
) -> dict[tuple[str, str], tuple[str, str, str]]:
    """Find images that occur twice: (id, key) of every copy but the first by key → (first key, corpus, path)."""
    files = _staged(staging, units, "images")
    if not files:
        return {}
    rows = con.execute(
        "SELECT id, key, first, corpus, path FROM"
        " (SELECT id, key, corpus, path, min(key) OVER (PARTITION BY id) AS first"
        f" FROM read_parquet({_list(files)})) WHERE key <> first"
    ).fetchall()
    return {(r[0], r[1]): (r[2], r[3], r[4]) for r in rows}


def _images(
    fresh: Path, staging: Path, units: list[UnitRecord], duplicates: dict[tuple[str, str], tuple[str, str, str]]
) -> list[Shard]:
    """Link big image files as they are; pack small ones and those that lose a duplicate."""
    shards: list[Shard] = []
    gone = pa.array([f"{i}\x1f{k}" for i, k in duplicates], type=pa.string())
    affected = {i for i, _ in duplicates}
    writer: ShardWriter | None = None
    written = 0

    def close() -> None:
        nonlocal writer, written
        if writer is not None:
            writer.close()
            if writer.rows:
                shards.append(writer.shard(f"images/{writer.path.name}"))
            writer, written = None, 0

    (fresh / "images").mkdir()
    for unit in units:
        rows, size, sha = unit.files["images"]
        if not rows:
            continue
        source = staging / unit.unit / "images.parquet"
        name = f"part-{len(shards) + (writer is not None):05d}.parquet"
        has_duplicate = bool(affected) and bool(
            affected & set(pq.read_table(source, columns=["id"]).column("id").to_pylist())
        )
        if size >= SMALL_UNIT and not has_duplicate:
            close()
            link(source, fresh / "images" / name)
            shards.append(Shard(table="images", path=f"images/{name}", rows=rows, bytes=size, sha256=sha))
            continue
        if writer is None:
            writer = ShardWriter(fresh / "images" / name, "images")
        with pq.ParquetFile(source) as parquet:
            for group in range(parquet.num_row_groups):
                table = parquet.read_row_group(group)
                if has_duplicate:
                    tagged = pc.binary_join_element_wise(table.column("id"), table.column("key"), "\x1f")
                    table = table.filter(pc.invert(pc.is_in(tagged, value_set=gone)))
                writer.write(table)
                written += table.get_total_buffer_size()
        if written >= PACKED:
            close()
    close()
    return shards


def link(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _rejects(
    con: duckdb.DuckDBPyConnection,
    fresh: Path,
    staging: Path,
    units: list[UnitRecord],
    duplicates: dict[tuple[str, str], tuple[str, str, str]],
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
    files = _staged(staging, units, "rejects")
    union = "SELECT * FROM _duplicates" + (f" UNION ALL SELECT * FROM read_parquet({_list(files)})" if files else "")
    names = ", ".join(schema.names)
    sql = f"SELECT {names} FROM ({union}) ORDER BY corpus, path, stage, level, code, detail"
    shards = write_stream(fresh, "rejects", _stream(con, sql, "rejects"))
    con.unregister("_duplicates")
    return shards


def _view(con: duckdb.DuckDBPyConnection, fresh: Path, shards: list[Shard], table: str) -> None:
    files = [fresh / s.path for s in shards if s.table == table]
    if files:
        con.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({_list(files)})")
    else:
        con.register(f"_empty_{table}", arrow_schema(table).empty_table())
        con.execute(f"CREATE VIEW {table} AS SELECT * FROM _empty_{table}")


def _splits(con: duckdb.DuckDBPyConnection, fresh: Path, options: SplitOptions) -> list[Shard]:
    """Assign images, then examples: by their own official split where they have one, else by their image."""
    rows = sorted(split.assign(_placed(con), options))
    table = pa.table(
        [pa.array([r[i] for r in rows], pa.string()) for i in range(3)], schema=arrow_schema("image_splits")
    )
    shards = write_stream(fresh, "image_splits", iter(table.to_batches()))
    con.register("image_splits", table)
    own = "e.official_split" if options.method == "official" else "CAST(NULL AS VARCHAR)"
    sql = (
        f"SELECT e.id AS example, coalesce({own}, s.split, 'unused') AS split,"
        f" CASE WHEN {own} IS NOT NULL THEN 'official' ELSE s.reason END AS reason"
        " FROM examples e LEFT JOIN (SELECT image, min(split) AS split, min(reason) AS reason"
        " FROM image_splits GROUP BY image) s ON s.image = e.image ORDER BY e.id"
    )
    shards += write_stream(fresh, "splits", _stream(con, sql, "splits"))
    _view(con, fresh, shards, "splits")
    return shards


def _placed(con: duckdb.DuckDBPyConnection) -> Iterator[split.Placed]:
    # 'window' is a keyword of SQL and must be quoted
    sql = (
        'SELECT i.id, i.corpus, i.parent, i.official_split, i."window" AS box, i.footprint, r.objects'
        " FROM images i LEFT JOIN (SELECT image, list(DISTINCT official_split ORDER BY official_split)"
        " FILTER (WHERE official_split IS NOT NULL) AS objects FROM regions GROUP BY image) r ON r.image = i.id"
        " ORDER BY i.id"
    )
    reader: pa.RecordBatchReader = con.sql(sql).to_arrow_reader(BATCH_ROWS)
    for batch in reader:
        for row in batch.to_pylist():
            ring = ring_bounds(row["footprint"])
            box = row["box"]
            bounds = ring or ((box["x0"], box["y0"], box["x1"], box["y1"]) if box else None)
            yield split.Placed(
                image=row["id"],
                corpus=row["corpus"],
                parent=row["parent"],
                official=row["official_split"],
                objects=tuple(row["objects"] or ()),
                bounds=bounds,
                georeferenced=ring is not None,
            )


def ring_bounds(wkb: bytes | None) -> tuple[float, float, float, float] | None:
    """Return x0, y0, x1, y1 of a polygon that `rows.wkb_polygon` wrote."""
    if not wkb:
        return None
    import numpy as np

    points = np.frombuffer(wkb, dtype="<f8", offset=13).reshape(-1, 2)
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    return float(x0), float(y0), float(x1), float(y1)


def _counts(con: duckdb.DuckDBPyConnection, fresh: Path, shards: list[Shard]) -> dict[str, Any]:
    def pairs(sql: str) -> dict[str, Any]:
        return {str(k): v for k, v in con.execute(sql).fetchall()}

    tasks: dict[str, dict[str, int]] = {}
    for task, name, n in con.execute(
        "SELECT e.task, s.split, count(*) FROM examples e JOIN splits s ON s.example = e.id GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall():
        tasks.setdefault(task, {})[name] = n
    rejects = _list([fresh / s.path for s in shards if s.table == "rejects"])
    by_level: dict[str, dict[str, int]] = {}
    for level, code, n in con.execute(
        f"SELECT level, code, count(*) FROM read_parquet({rejects}) GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall():
        by_level.setdefault(level, {})[code] = n
    return {
        "rows": {t: sum(s.rows for s in shards if s.table == t) for t in BUILD_TABLES},
        "tasks": tasks,
        "images_by_split": pairs("SELECT split, count(*) FROM image_splits GROUP BY 1 ORDER BY 1"),
        "images_by_corpus": pairs("SELECT corpus, count(*) FROM images GROUP BY 1 ORDER BY 1"),
        "synthetic": {
            what: con.execute("SELECT count(*) FROM images WHERE list_contains(synthetic, ?)", [what]).fetchall()[0][0]
            for what in ("captions", "expressions")
        },
        "regions_by_category": pairs("SELECT category, count(*) FROM regions GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100"),
        "rejects": pairs(f"SELECT code, count(*) FROM read_parquet({rejects}) GROUP BY 1 ORDER BY 1"),
        "rejects_by_level": by_level,
        "digest": digest(*(s.sha256 for s in shards)),
    }
