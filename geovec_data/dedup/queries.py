"""One question, one example: a text or coordinate that is asked of several images has them all as positives.

A caption of twelve images would otherwise be twelve examples with one positive each, asked twelve times as often in
training as a caption of one, and each calling the other eleven images wrong. Joined are examples of one task, corpus
and split whose queries show no picture and whose candidates are not those of their scene; texts count as equal when
they differ in no word. The example with the least id stays, and speaks of its own scene in its group keys; the others'
positives become its own. Splits are decided before, so no positive comes from another split.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from geovec_data.store.manifest import Shard
from geovec_data.store.sql import stream, view
from geovec_data.store.writer import write_stream

_JOINED = ".joined"  # folder of the tables written anew
_REPEATS = """
CREATE TEMP TABLE repeats AS
WITH asked AS (
  SELECT e.id, min(e.id) OVER (
    PARTITION BY e.task, e.corpus, s.split, e.scope, e.pool_key,
      CASE i.modality WHEN 'text' THEN i.text_key ELSE i.id END
  ) AS first
  FROM examples e JOIN items i ON i.id = e.query JOIN splits s ON s.example = e.id
  WHERE i.image IS NULL AND e.scope <> 'scene'
)
SELECT id, first FROM asked WHERE id <> first
"""
# table → its rows with the repeats joined
REWRITTEN = {
    "examples": "SELECT * FROM examples ANTI JOIN repeats USING (id) ORDER BY id",
    "splits": "SELECT s.* FROM splits s ANTI JOIN repeats r ON r.id = s.example ORDER BY s.example",
    "qrels": "SELECT DISTINCT coalesce(r.first, q.example) AS example, q.item FROM qrels q"
    " LEFT JOIN repeats r ON r.id = q.example ORDER BY 1, 2",
}


def join_queries(
    con: duckdb.DuckDBPyConnection, fresh: Path, shards: list[Shard]
) -> tuple[list[Shard], dict[str, int]]:
    """Join the examples that ask the same.

    Args:
        con: a connection with views of all build tables, the split decided.
        fresh: folder of the dataset being written.
        shards: the shards so far; those of examples, splits and qrels must not be in use by anything else.

    Returns:
        The shards as they are now, and how many examples were joined to how many others; empty where none was.
        The views show the new tables.
    """
    con.execute(_REPEATS)
    gone, kept = con.execute("SELECT count(*), count(DISTINCT first) FROM repeats").fetchall()[0]
    if not gone:
        return shards, {}
    made: list[Shard] = []
    for table, sql in REWRITTEN.items():
        made += write_stream(fresh / _JOINED, table, stream(con, sql, table))
    for table in REWRITTEN:
        con.execute(f"DROP VIEW {table}")
        shutil.rmtree(fresh / table)
        (fresh / _JOINED / table).rename(fresh / table)
        view(con, fresh, made, table)
    (fresh / _JOINED).rmdir()
    return [s for s in shards if s.table not in REWRITTEN] + made, {"joined": gone, "to": kept}
