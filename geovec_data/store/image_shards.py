"""Image shards of the final stage: big unit files are linked as they are, small ones packed, duplicates left out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geovec_data.store.journal import UnitRecord
from geovec_data.store.manifest import Shard
from geovec_data.store.sql import staged
from geovec_data.store.writer import ShardWriter

SMALL_UNIT = 1 << 20  # image files below this are packed together, the others linked as they are
PACKED = 32 << 20

# (image id, corpus, key) of a copy that goes → (corpus and key of the one that stays)
Duplicates = dict[tuple[str, str, str], tuple[str, str]]


def duplicate_images(con: duckdb.DuckDBPyConnection, staging: Path, units: list[UnitRecord]) -> Duplicates:
    """Find images that occur twice: every copy but the first by corpus and key → the corpus and key of that first."""
    source = staged(con, staging, units, "images")
    if source is None:
        return {}
    rows = con.execute(
        "SELECT id, corpus, key, first.corpus, first.key FROM"
        " (SELECT id, corpus, key, min({'corpus': corpus, 'key': key}) OVER (PARTITION BY id) AS first"
        f" FROM {source}) WHERE corpus <> first.corpus OR key <> first.key"
    ).fetchall()
    return {(r[0], r[1], r[2]): (r[3], r[4]) for r in rows}


def write_images(fresh: Path, staging: Path, units: list[UnitRecord], duplicates: Duplicates) -> list[Shard]:
    """Link big image files as they are; pack small ones and those that lose a duplicate."""
    shards: list[Shard] = []
    gone = pa.array(["\x1f".join(d) for d in duplicates], type=pa.string())
    affected = {d[0] for d in duplicates}
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
                    tagged = pc.binary_join_element_wise(*(table.column(c) for c in ("id", "corpus", "key")), "\x1f")
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
