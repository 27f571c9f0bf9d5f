"""The read side of a dataset directory: its tables, its images, its items. Needs only pyarrow and duckdb."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from geovec_data import arrow
from geovec_data.paths import expanded
from geovec_data.records import Segment, Segments
from geovec_data.schema import BUILD_TABLES, arrow_schema
from geovec_data.store.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    import duckdb


class Dataset:
    """A built dataset, opened for reading.

    Args:
        path: the dataset directory.

    Raises:
        UserError: when it is no dataset, is damaged, or was written by a newer GeoVec.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = expanded(path)
        self.manifest: Manifest = read_manifest(self.path)

    def files(self, table: str) -> list[Path]:
        """Return the Parquet files of a build table, in order."""
        return [self.path / p for p in self.manifest.files(table)]

    def scan(self, table: str, columns: list[str] | None = None, batch: int = 8192) -> Iterator[pa.RecordBatch]:
        """Stream a table in row order with bounded memory."""
        for file in self.files(table):
            with pq.ParquetFile(file, memory_map=True) as parquet:
                yield from parquet.iter_batches(batch_size=batch, columns=columns)

    def read(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """Read a whole table. Leave out ``bytes`` of ``images`` unless they fit in memory."""
        schema = arrow_schema(table)
        if columns is not None:
            schema = pa.schema([schema.field(c) for c in columns])
        return pa.Table.from_batches(list(self.scan(table, columns)), schema=schema)

    def connect(self, *, memory_limit: str = "4GB", threads: int | None = None) -> duckdb.DuckDBPyConnection:
        """Return an in-memory DuckDB connection with a view for every table (``images`` without ``bytes``).

        Further views: ``example_splits`` (examples joined with their split) and ``positives``
        (split, task, query item, item): all positives of a query item in a split, over every example that asks it.
        """
        import duckdb

        con = duckdb.connect(":memory:")
        con.execute(f"SET memory_limit='{memory_limit}'")
        con.execute("SET preserve_insertion_order=true; SET enable_progress_bar=false")
        if threads:
            con.execute(f"SET threads={threads}")
        for table in BUILD_TABLES:
            files = [str(f) for f in self.files(table)]
            if files:
                listed = ", ".join("'" + f.replace("'", "''") + "'" for f in files)
                skip = " EXCLUDE (bytes)" if table == "images" else ""
                con.execute(f"CREATE VIEW {table} AS SELECT *{skip} FROM read_parquet([{listed}])")
            else:
                con.register(f"_empty_{table}", arrow.empty(arrow_schema(table)))
                con.execute(f"CREATE VIEW {table} AS SELECT * FROM _empty_{table}")
        con.execute(
            "CREATE VIEW example_splits AS SELECT e.*, s.split, s.reason FROM examples e"
            " JOIN splits s ON s.example = e.id"
        )
        con.execute(
            "CREATE VIEW positives AS SELECT DISTINCT e.split, e.task, e.query, q.item"
            " FROM example_splits e JOIN qrels q ON q.example = e.id"
        )
        return con

    @cached_property
    def images(self) -> ImageStore:
        """Random access to image bytes by image id."""
        return ImageStore(self.files("images"))

    @cached_property
    def items(self) -> ItemStore:
        """Random access to item segments by item id (segments of all items, held as one Arrow table)."""
        return ItemStore(self.read("items"))

    def instruction(self, instruction_id: str) -> str:
        """Return the text of an instruction id (``<task>/<variant>``; variant 0 is canonical)."""
        task, _, variant = instruction_id.rpartition("/")
        return self.manifest.tasks[task].instructions[int(variant)]


class ImageStore:
    """Image bytes by id, straight from the Parquet shards; a few row groups stay in memory.

    Picklable: workers reopen the files.
    """

    def __init__(self, files: Iterable[Path], keep: int = 8) -> None:
        self._files = [Path(f) for f in files]
        self._keep = keep
        self._open: dict[int, pq.ParquetFile] = {}
        self._cache: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._where: dict[str, tuple[int, int, int, int, int]] = {}
        for f, file in enumerate(self._files):
            with pq.ParquetFile(file) as parquet:
                for g in range(parquet.num_row_groups):
                    rows = parquet.read_row_group(g, columns=["id", "width", "height"]).to_pydict()
                    for r, (i, w, h) in enumerate(zip(rows["id"], rows["width"], rows["height"], strict=True)):
                        self._where[i] = (f, g, r, w, h)

    def __getstate__(self) -> dict[str, Any]:
        return {"_files": self._files, "_keep": self._keep, "_where": self._where}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _open={}, _cache=OrderedDict())

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, image: str) -> bool:
        return image in self._where

    def size(self, image: str) -> tuple[int, int]:
        """Return (width, height) in pixels."""
        return self._where[image][3:]

    def position(self, image: str) -> int:
        """Return a sort key that follows the order on disk, so that readers can go through row groups in turn."""
        f, g, r, *_ = self._where[image]
        return (f << 40) | (g << 20) | r

    def get(self, image: str) -> bytes:
        """Return the encoded bytes of an image.

        Raises:
            KeyError: when the dataset has no such image.
        """
        f, g, r, *_ = self._where[image]
        column = self._cache.pop((f, g), None)
        if column is None:
            if f not in self._open:
                self._open[f] = pq.ParquetFile(self._files[f], memory_map=True)
            column = self._open[f].read_row_group(g, columns=["bytes"]).column("bytes").combine_chunks()
            while len(self._cache) >= self._keep:
                self._cache.popitem(last=False)
        self._cache[(f, g)] = column
        data: bytes = column[r].as_py()
        return data


class ItemStore:
    """Item segments by id."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table.combine_chunks()
        self._row = {i: n for n, i in enumerate(self.table.column("id").to_pylist())}

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, item: str) -> bool:
        return item in self._row

    def modality(self, item: str) -> str:
        """Return the item's modality."""
        value: str = self.table.column("modality")[self._row[item]].as_py()
        return value

    def segments(self, item: str) -> Segments:
        """Return the item's segments.

        Raises:
            KeyError: when the dataset has no such item.
        """
        raw = self.table.column("segments")[self._row[item]].as_py()
        return as_segments(raw)


def as_segments(raw: list[dict[str, Any]]) -> Segments:
    """Turn the ``segments`` column's structs into segments."""
    return tuple(_segment(s) for s in raw)


def _segment(raw: dict[str, Any]) -> Segment:
    box = raw["box"]
    return Segment(
        raw["kind"],
        text=raw["text"],
        image=raw["image"],
        box=None if box is None else (box["x0"], box["y0"], box["x1"], box["y1"]),
        lon=raw["lon"],
        lat=raw["lat"],
    )
