"""Reading staged and fresh shards with DuckDB, and handing rows back to Arrow with the schema's own types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from geovec_data import arrow
from geovec_data.schema import arrow_schema
from geovec_data.store.journal import UnitRecord
from geovec_data.store.manifest import Shard
from geovec_data.store.staging import mapped, staged_name

BATCH_ROWS = 2048


def quoted(path: Path) -> str:
    """Escape a path for a SQL string; absolute, because DuckDB takes the ~ of ~x/… for a home."""
    return str(path.absolute()).replace("'", "''")


def path_list(paths: list[Path]) -> str:
    """Write paths as a SQL list."""
    return "[" + ", ".join(f"'{quoted(p)}'" for p in paths) + "]"


def staged_files(staging: Path, units: list[UnitRecord], table: str) -> list[Path]:
    """Return the staged files of a table that have rows, in the order of the units."""
    return [staging / u.unit / staged_name(table) for u in units if u.files[table][0]]


def staged(con: duckdb.DuckDBPyConnection, staging: Path, units: list[UnitRecord], table: str) -> str | None:
    """Return what to write after FROM to read a staged table of all units, or None when it has no row.

    Staged small tables are Arrow files: hundreds of tiny Parquet files cost more than the rows in them.
    """
    files = staged_files(staging, units, table)
    if not files:
        return None
    if table == "images":
        return f"read_parquet({path_list(files)})"
    name = f"_staged_{table}"
    con.register(name, pa.concat_tables(mapped(f) for f in files))
    return name


def stream(con: duckdb.DuckDBPyConnection, sql: str, table: str) -> Iterator[pa.RecordBatch]:
    """Run a query and yield its rows in the schema of a table."""
    reader: pa.RecordBatchReader = con.sql(sql).to_arrow_reader(BATCH_ROWS)
    schema = arrow_schema(table)
    for batch in reader:
        yield from pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_batches()


def view(con: duckdb.DuckDBPyConnection, fresh: Path, shards: list[Shard], table: str) -> None:
    """Create a view over the shards of a table; an empty one where there are none."""
    files = [fresh / s.path for s in shards if s.table == table]
    if files:
        con.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({path_list(files)})")
    else:
        con.register(f"_empty_{table}", arrow.empty(arrow_schema(table)))
        con.execute(f"CREATE VIEW {table} AS SELECT * FROM _empty_{table}")
