"""The split tables: images are assigned, then examples follow their own official split or their image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from geovec_data import split
from geovec_data.recipe import SplitOptions
from geovec_data.schema import arrow_schema
from geovec_data.store.manifest import Shard
from geovec_data.store.sql import BATCH_ROWS, stream, view
from geovec_data.store.writer import write_stream


def write_splits(con: duckdb.DuckDBPyConnection, fresh: Path, options: Mapping[str, SplitOptions]) -> list[Shard]:
    """Assign images, then examples: by their own official split where they have one, else by their image.

    Every corpus is assigned by itself, with its own options: another corpus moves nothing in it.
    """
    placed: dict[str, list[split.Placed]] = {}
    for p in _placed(con):
        placed.setdefault(p.corpus, []).append(p)
    rows = sorted(row for corpus, images in placed.items() for row in split.assign(images, options[corpus]))
    table = pa.table(
        [pa.array([r[i] for r in rows], pa.string()) for i in range(3)], schema=arrow_schema("image_splits")
    )
    shards = write_stream(fresh, "image_splits", iter(table.to_batches()))
    con.register("image_splits", table)
    official = ", ".join(f"'{c}'" for c, o in sorted(options.items()) if o.method == "official") or "NULL"
    own = f"CASE WHEN e.corpus IN ({official}) THEN e.official_split END"
    sql = (
        f"SELECT e.id AS example, coalesce({own}, s.split, 'unused') AS split,"
        f" CASE WHEN {own} IS NOT NULL THEN 'official' ELSE s.reason END AS reason"
        " FROM examples e LEFT JOIN (SELECT image, min(split) AS split, min(reason) AS reason"
        " FROM image_splits GROUP BY image) s ON s.image = e.image ORDER BY e.id"
    )
    shards += write_stream(fresh, "splits", stream(con, sql, "splits"))
    view(con, fresh, shards, "splits")
    return shards


def _placed(con: duckdb.DuckDBPyConnection) -> Iterator[split.Placed]:
    # 'window' is a keyword of SQL and must be quoted
    sql = (
        'SELECT i.id, i.corpus, i.parent, i.origin, i.official_split, i."window" AS box, i.footprint, r.objects'
        " FROM images i LEFT JOIN (SELECT image, list(DISTINCT official_split ORDER BY official_split)"
        " FILTER (WHERE official_split IS NOT NULL) AS objects FROM regions GROUP BY image) r ON r.image = i.id"
        " ORDER BY i.id"
    )
    reader: pa.RecordBatchReader = con.sql(sql).to_arrow_reader(BATCH_ROWS)
    for batch in reader:
        for row in batch.to_pylist():
            ring = ring_bounds(row["footprint"])
            box = row["box"]
            bounds = ring or ((box["x0"], box["y0"], box["x1"], box["y1"]) if box else None)
            yield split.Placed(
                image=row["id"],
                corpus=row["corpus"],
                parent=row["parent"],
                origin=row["origin"],
                official=row["official_split"],
                objects=tuple(row["objects"] or ()),
                bounds=bounds,
                georeferenced=ring is not None,
            )


def ring_bounds(wkb: bytes | None) -> tuple[float, float, float, float] | None:
    """Return x0, y0, x1, y1 of a polygon that `rows.wkb_polygon` wrote."""
    if not wkb:
        return None
    points = np.frombuffer(wkb, dtype="<f8", offset=13).reshape(-1, 2)
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    return float(x0), float(y0), float(x1), float(y1)
