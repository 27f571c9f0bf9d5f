"""Parquet shards written by pyarrow alone, hashed when they are whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from geovec_data.schema import arrow_schema
from geovec_data.store.manifest import Shard

# Image row groups are small, so that a random read of one image copies little; never above the design's 64 MB.
IMAGE_GROUP_ROWS = 16
IMAGE_GROUP_BYTES = 8 << 20
ROWS_PER_GROUP = 1 << 13
ROWS_PER_SHARD = 1 << 20

GEO_METADATA = (
    b'{"version":"1.1.0","primary_column":"footprint","columns":{"footprint":'
    b'{"encoding":"WKB","geometry_types":["Polygon"]}}}'
)


class ShardWriter:
    """Writes one Parquet file of a table; use as a context manager.

    Image bytes are stored uncompressed and plain: zstd gains nothing on JPEG and costs seconds. pyarrow writes to the
    file itself, and the file is hashed by reading it again from the page cache: a Python file that hashes on the way
    costs a copy of every page and three times as much.

    Nothing is brought to disk here: a kill loses nothing that was written, and after a power cut sizes are compared.
    The final stage brings the finished dataset to disk, before the manifest is written.
    """

    def __init__(self, path: Path, table: str) -> None:
        self.path, self.table = path, table
        self.schema = arrow_schema(table)
        if table == "images":
            self.schema = self.schema.with_metadata({b"geo": GEO_METADATA})
        self.rows = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._sink = pa.OSFile(os.fsencode(path), "wb")
        self._size, self._sha = 0, ""
        names = [n for n in self.schema.names if n != "bytes"]
        self._writer = pq.ParquetWriter(
            self._sink,
            self.schema,
            compression=dict.fromkeys(names, "zstd") | ({"bytes": "none"} if table == "images" else {}),
            compression_level=dict.fromkeys(names, 3),
            use_dictionary=[n for n in names if n not in ("id", "footprint")] if table == "images" else True,
            write_statistics=[n for n in names if n != "footprint"] if table == "images" else True,
            data_page_size=1 << 20,
        )

    def write(self, table: pa.Table | pa.RecordBatch) -> None:
        """Write rows as one row group."""
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        if table.num_rows:
            if not table.schema.equals(self.schema):
                table = table.cast(self.schema)
            self._writer.write_table(table, row_group_size=table.num_rows)
            self.rows += table.num_rows

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
        self._sink.close()
        self._size = self.path.stat().st_size
        with self.path.open("rb", buffering=0) as handle:
            self._sha = hashlib.file_digest(handle, "sha256").hexdigest()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:  # an unfinished file has no name that anything reads; its directory is temporary
            self._sink.close()
            self._writer.is_open = False  # else it writes its footer when it is collected

    def shard(self, path: str) -> Shard:
        """Describe the finished file under its path in the dataset."""
        return Shard(table=self.table, path=path, rows=self.rows, bytes=self._size, sha256=self._sha)


def write_stream(folder: Path, table: str, batches: Iterable[pa.RecordBatch], *, first: int = 0) -> list[Shard]:
    """Write batches as ``<table>/part-NNNNN.parquet`` with row groups and shards cut at fixed row counts.

    The cuts depend on row counts alone, never on how the batches came, so equal rows give equal bytes. `first` is the
    number of the first part; without any row a part is written for a table that has none before.
    """
    shards: list[Shard] = []
    pending: list[pa.RecordBatch] = []
    held = 0
    writer: ShardWriter | None = None

    def part_name() -> str:
        return f"{table}/part-{first + len(shards):05d}.parquet"

    def flush(limit: int) -> None:
        nonlocal pending, held, writer
        while held >= limit and held:
            table_ = pa.Table.from_batches(pending)
            part, rest = table_.slice(0, ROWS_PER_GROUP), table_.slice(ROWS_PER_GROUP)
            if writer is None:
                writer = ShardWriter(folder / part_name(), table)
            writer.write(part)
            pending, held = rest.to_batches(), rest.num_rows
            if writer.rows >= ROWS_PER_SHARD:
                writer.close()
                shards.append(writer.shard(part_name()))
                writer = None

    for batch in batches:
        if batch.num_rows:
            pending.append(batch)
            held += batch.num_rows
            flush(ROWS_PER_GROUP)
    flush(1)
    if writer is None and not shards and not first:
        writer = ShardWriter(folder / part_name(), table)
    if writer is not None:
        writer.close()
        shards.append(writer.shard(part_name()))
    return shards
