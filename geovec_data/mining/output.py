"""The files of a mining run: rows streamed to Parquet, ids written as dictionaries, all of it in place at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from geovec_data.schema import TABLES

_ROW_GROUP = 1 << 20
_DICTIONARY_BYTES = 256 << 20  # the default of 1 MB would write most ids out in full


class RowWriter:
    """Writes one of the tables ``candidates`` and ``negatives``.

    Columns of strings are given as (values, numbers into them): five million rows of 32-digit ids are then written
    in a fraction of a second. A reader sees plain strings.

    Args:
        file: where to.
        table: name of the table in `geovec_data.schema`.
    """

    def __init__(self, file: Path, table: str) -> None:
        self._columns = TABLES[table]
        fields = []
        for column in self._columns:
            text = column.type == pa.string()
            kind = pa.dictionary(pa.int32(), pa.string()) if text else column.type
            fields.append(pa.field(column.name, kind, nullable=column.nullable))
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            compression_level=1,
            store_schema=False,
            use_dictionary=[f.name for f in fields if not pa.types.is_floating(f.type)],
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
            write_statistics=False,  # of hashes and scores they tell a reader nothing
        )
        self.rows = 0

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write rows: arrays by column name; a text column as ``(values, numbers)``, -1 for null."""
        arrays = []
        for field in self._schema:
            value = columns[field.name]
            if isinstance(value, tuple):
                values, numbers = value
                mask = numbers < 0 if field.nullable else None
                indices = pa.array(numbers.astype(np.int32, copy=False), mask=mask)
                arrays.append(pa.DictionaryArray.from_arrays(indices, values))
            else:
                arrays.append(pa.array(value, field.type))
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        self.rows += len(table)
        self._writer.write_table(table, row_group_size=_ROW_GROUP)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
