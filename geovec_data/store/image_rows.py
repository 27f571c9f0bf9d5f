"""Rows of an image shard, gathered a row group at a time, with one copy of the encoded bytes and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from geovec_data import arrow
from geovec_data.schema import arrow_schema
from geovec_data.store.writer import IMAGE_GROUP_BYTES, IMAGE_GROUP_ROWS, ShardWriter


class ImageRows:
    """Collects images and writes a row group whenever one is full.

    The bytes of a group are laid end to end in a buffer that the next group uses again: the images of a corpus pass
    through it by the gigabyte, and memory that is fresh each time costs more than the copy.
    """

    def __init__(self, writer: ShardWriter) -> None:
        self._writer = writer
        self._schema = arrow_schema("images")
        self._place = self._schema.get_field_index("bytes")
        self._rows: list[tuple[Any, ...]] = []
        self._buffer = np.empty(IMAGE_GROUP_BYTES, dtype=np.uint8)
        self._ends = [0]

    def add(self, row: tuple[Any, ...], data: bytes) -> None:
        """Add an image.

        Args:
            row: values in the order of the schema, without ``bytes``.
            data: the encoded image.
        """
        end = self._ends[-1] + len(data)
        if self._rows and (len(self._rows) == IMAGE_GROUP_ROWS or end > IMAGE_GROUP_BYTES):
            self.flush()
            end = len(data)
        if end > len(self._buffer):
            self._buffer = np.empty(end, dtype=np.uint8)  # an image larger than a group: it is alone in its own
        self._buffer[self._ends[-1] : end] = np.frombuffer(data, dtype=np.uint8)
        self._ends.append(end)
        self._rows.append(row)

    def flush(self) -> None:
        """Write what is gathered; call it when the last image is in."""
        if not self._rows:
            return
        fields = [f for f in self._schema if f.name != "bytes"]
        columns = [arrow.array(c, f.type) for c, f in zip(zip(*self._rows, strict=True), fields, strict=True)]
        offsets = pa.py_buffer(np.array(self._ends, dtype="<i4"))
        encoded = pa.py_buffer(self._buffer[: self._ends[-1]])
        columns.insert(self._place, pa.Array.from_buffers(pa.binary(), len(self._rows), [None, offsets, encoded]))
        self._writer.write(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows, self._ends = [], [0]
