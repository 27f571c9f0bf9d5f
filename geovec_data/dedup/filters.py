"""What goes with an image: its regions, its items, the examples on it, and the qrels that name it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import duckdb
import pyarrow as pa

from geovec_data.store.journal import UnitRecord
from geovec_data.store.sql import staged

# staged table → the condition on which a row of it stays
_STAYS = {
    "regions": "image NOT IN (SELECT id FROM gone_images)",
    "items": "(image IS NULL OR image NOT IN (SELECT id FROM gone_images))",
    "examples": "id NOT IN (SELECT id FROM gone_examples)",
    "qrels": "example NOT IN (SELECT id FROM gone_examples) AND item NOT IN (SELECT id FROM gone_items)",
    "pool": "image NOT IN (SELECT id FROM gone_images) AND item NOT IN (SELECT id FROM gone_items)",
}


def rows_that_stay(
    con: duckdb.DuckDBPyConnection, staging: Path, units: list[UnitRecord], gone: Collection[str]
) -> dict[str, str]:
    """Return for each staged table the SQL condition on which its rows stay; empty: all of them.

    An example goes with its own image, with an image that it asks by, and with the last image that answers it.
    """
    if not gone:
        return {}
    images = pa.table({"id": pa.array(sorted(gone), pa.string())})
    con.register("_gone", images)
    con.execute("CREATE TEMP TABLE gone_images AS SELECT id FROM _gone")
    con.unregister("_gone")
    sources = {table: staged(con, staging, units, table) for table in _STAYS}
    con.execute("CREATE TEMP TABLE gone_items (id VARCHAR)")
    con.execute("CREATE TEMP TABLE gone_examples (id VARCHAR)")
    if sources["items"]:
        con.execute(
            f"INSERT INTO gone_items SELECT DISTINCT id FROM {sources['items']} WHERE image IN (FROM gone_images)"
        )
    if sources["examples"]:
        con.execute(
            f"INSERT INTO gone_examples SELECT id FROM {sources['examples']} WHERE image IN (FROM gone_images)"
            " OR query IN (FROM gone_items) UNION"
            f" SELECT example FROM {sources['qrels']} GROUP BY example HAVING bool_and(item IN (FROM gone_items))"
        )
    return _STAYS
