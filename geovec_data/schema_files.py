"""Generates ``schemas/`` from `schema.TABLES` and `records`; a test compares the folder with what this makes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from geovec_data import records
from geovec_data.schema import SCHEMA_VERSION, TABLES, Column
from geovec_data.store.manifest import Manifest

RECORDS = (records.Region, records.Scene, records.Segment, records.Item, records.Draft, records.Example, records.Reject)


def sql_type(type_: pa.DataType) -> str:
    """Return the DuckDB type of an Arrow type of the schema.

    Raises:
        ValueError: for a type that no table uses.
    """
    if pa.types.is_list(type_):
        return f"{sql_type(type_.value_type)}[]"
    if pa.types.is_struct(type_):
        inside = ", ".join(f'"{f.name}" {sql_type(f.type)}' for f in type_)
        return f"STRUCT({inside})"
    names = {
        pa.string(): "VARCHAR",
        pa.binary(): "BLOB",
        pa.float64(): "DOUBLE",
        pa.float32(): "FLOAT",
        pa.int32(): "INTEGER",
        pa.int64(): "BIGINT",
    }
    if type_ not in names:
        raise ValueError(f"no SQL type for {type_}")
    return names[type_]


def _column(c: Column) -> dict[str, Any]:
    return {"name": c.name, "type": str(c.type), "nullable": c.nullable, "doc": c.doc}


def generate() -> dict[str, str]:
    """Return the text of every file of ``schemas/`` by its name."""
    sql = [f"-- GeoVec catalog, schema version {SCHEMA_VERSION}. Generated; do not edit."]
    for table, columns in TABLES.items():
        lines = []
        for n, c in enumerate(columns, 1):
            end = "," if n < len(columns) else ""
            lines.append(f'  "{c.name}" {sql_type(c.type)}{"" if c.nullable else " NOT NULL"}{end} -- {c.doc}')
        sql.append("\n".join([f"CREATE TABLE {table} (", *lines, ");"]))
    tables = {
        "schema_version": SCHEMA_VERSION,
        "tables": {t: [_column(c) for c in columns] for t, columns in TABLES.items()},
    }
    json_schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"GeoVec records, schema version {SCHEMA_VERSION}",
        "$defs": {r.__name__: TypeAdapter(r).json_schema() for r in RECORDS},
    }
    return {
        "tables.json": _json(tables),
        "records.schema.json": _json(json_schema),
        "manifest.schema.json": _json(Manifest.model_json_schema()),
        "catalog.sql": "\n\n".join(sql) + "\n",
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main(folder: str) -> None:
    """Write the files into a folder."""
    for name, text in generate().items():
        (Path(folder) / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
