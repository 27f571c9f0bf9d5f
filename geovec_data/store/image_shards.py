"""Image shards of the final stage: big unit files are linked as they are, small ones packed, duplicates left out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from geovec_data.dedup.exact import Copies
from geovec_data.store.journal import UnitRecord
from geovec_data.store.manifest import Shard
from geovec_data.store.writer import ShardWriter

SMALL_UNIT = 1 << 20  # image files below this are packed together, the others linked as they are
PACKED = 32 << 20


def write_images(fresh: Path, staging: Path, units: list[UnitRecord], copies: Copies) -> list[Shard]:
    """Link big image files as they are; pack small ones and those that lose a duplicate."""
    shards: list[Shard] = []
    affected = {*copies.joined, *copies.dropped}
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
                    table = copies.apply(table)
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
