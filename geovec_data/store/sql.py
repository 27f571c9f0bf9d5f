"""Reading staged and fresh shards with DuckDB, and handing rows back to Arrow with the schema's own types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from geovec_data.schema import arrow_schema
from geovec_data.store.journal import UnitRecord
from geovec_data.store.manifest import Shard

BATCH_ROWS = 8192


def quoted(path: Path) -> str:
    """Escape a path for a SQL string."""
    return str(path).replace("'", "''")


def path_list(paths: list[Path]) -> str:
    """Write paths as a SQL list."""
    return "[" + ", ".join(f"'{quoted(p)}'" for p in paths) + "]"


def staged(staging: Path, units: list[UnitRecord], table: str) -> list[Path]:
    """Return the staged files of a table that hold rows."""
    return [staging / u.unit / f"{table}.parquet" for u in units if u.files[table][0]]


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
        con.register(f"_empty_{table}", arrow_schema(table).empty_table())
        con.execute(f"CREATE VIEW {table} AS SELECT * FROM _empty_{table}")
