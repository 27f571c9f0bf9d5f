"""Parquet tables of a corpus: rows that name image files, and row groups that hold the images themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from geovec_data.readers._columns import Columns

_BATCH = 32  # rows decoded at a time: images may be large
_BUFFER = 2**20  # bytes of a column chunk read at a time


class BrokenTable(Exception):
    """A Parquet file that cannot be read."""


def opened(path: Path) -> pq.ParquetFile:
    """Open a Parquet file: its footer only.

    Raises:
        BrokenTable: no Parquet, or cut off.
    """
    try:
        # pyarrow reads a row group whole where it may buffer ahead
        return pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise BrokenTable(f"no readable Parquet: {_words(error)}") from error


def image_column(schema: pa.Schema, columns: Columns) -> str | None:
    """Return the image column's name when it holds the images' bytes, alone or in a struct {bytes, path}."""
    for name in columns.image.removesuffix("?").split("|"):
        if name in schema.names:
            kind = schema.field(name).type
            if pa.types.is_struct(kind):
                return name if kind.get_field_index("bytes") >= 0 else None
            return name if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else None
    return None


def class_labels(schema: pa.Schema) -> dict[str, list[str]]:
    """Return column → class names for columns that hold class numbers, as `datasets` notes in a file's metadata."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {n: f["names"] for n, f in features.items() if f.get("_type") == "ClassLabel" and f.get("names")}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def stream(
    file: pq.ParquetFile, columns: Columns, groups: Sequence[int] | None = None, extra: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(number in the file, row)`` with the columns asked for, a few rows in memory at a time.

    Args:
        file: the open file.
        columns: what is asked for.
        groups: row groups in ascending order; None: all.
        extra: further columns to keep.

    Raises:
        BrokenTable: the data ends early or cannot be decoded.
    """
    wanted = columns.used(file.schema_arrow.names, extra)
    labels = class_labels(file.schema_arrow)
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    for group in range(len(sizes)) if groups is None else groups:
        number = sum(sizes[:group])
        try:
            for batch in file.iter_batches(_BATCH, row_groups=[group], columns=wanted):
                for row in batch.to_pylist():
                    yield number, named(row, labels)
                    number += 1
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BrokenTable(f"row {number}: {_words(error)}") from error


def named(row: dict[str, Any], labels: dict[str, list[str]]) -> dict[str, Any]:
    """Put class names in the place of class numbers; a number outside stays as it is."""
    for column, names in labels.items():
        value = row.get(column)
        if isinstance(value, int) and 0 <= value < len(names):
            row[column] = names[value]
    return row


def _words(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
