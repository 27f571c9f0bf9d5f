"""What each query of an evaluation scored, in a file: so that two encoders can be compared query by query."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from geovec_data import arrow
from geovec_train.evaluation.metrics import METRICS, Ranks, per_query
from geovec_train.evaluation.pools import Pool

FILE = "answers.parquet"
NAMES = ("task", "scope", "subset", "query", "group", "parent", "image")
_SCHEMA = pa.schema([*((n, pa.string()) for n in NAMES), *((m, pa.float64()) for m in METRICS)])


class Answers:
    """Gathers the queries of all pools in the order in which they are scored."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []

    def add(self, pool: Pool, ranks: Ranks) -> None:
        """Add a pool's queries and what they score."""
        count = len(pool.queries)
        same = [[name] * count for name in (pool.task, pool.scope, pool.subset)]
        values = per_query(ranks)
        columns = [*same, pool.queries, pool.query_groups, pool.parents, pool.images, *values.T]
        self._tables.append(arrow.table(columns, _SCHEMA))

    def write(self, folder: Path) -> None:
        """Write ``answers.parquet``, whole or not at all."""
        temporary = folder / f"{FILE}.tmp"
        pq.write_table(pa.concat_tables(self._tables) if self._tables else arrow.empty(_SCHEMA), temporary)
        temporary.replace(folder / FILE)
