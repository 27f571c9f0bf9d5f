"""The split tables: images are assigned, then examples follow their own official split or their image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from geovec_data import arrow, splits
from geovec_data.errors import UserError, suggest
from geovec_data.schema import arrow_schema
from geovec_data.splits.blocks import NO_POSITION
from geovec_data.splits.by_place import levels_found
from geovec_data.splits.by_time import suggest_dates
from geovec_data.splits.options import SPLITS, SplitOptions
from geovec_data.splits.placed import Placed
from geovec_data.store.manifest import Shard
from geovec_data.store.sql import BATCH_ROWS, stream, view
from geovec_data.store.writer import write_stream


def write_splits(con: duckdb.DuckDBPyConnection, fresh: Path, options: Mapping[str, SplitOptions]) -> list[Shard]:
    """Assign images, then examples: by their own official split where they have one, else by their image.

    Every corpus is assigned by itself, with its own options: another corpus moves nothing in it.

    Raises:
        UserError: when a split by place or time does not say which places or dates.
    """
    placed: dict[str, list[Placed]] = {}
    for p in _placed(con, options):
        placed.setdefault(p.corpus, []).append(p)
    for corpus, images in placed.items():
        _refuse_unsaid(con, corpus, images, options[corpus])
    rows = sorted(row for corpus, images in placed.items() for row in splits.assign(images, options[corpus]))
    table = arrow.table([[r[i] for r in rows] for i in range(3)], arrow_schema("image_splits"))
    del placed, rows  # objects for every image: the join below needs none of them
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


def split_facts(con: duckdb.DuckDBPyConnection, options: Mapping[str, SplitOptions]) -> dict[str, Any]:
    """Count what a split must own up to: images it left unused by reason, and how even it is over the classes."""
    facts: dict[str, Any] = {}
    unused = con.execute(
        "SELECT reason, count(*) FROM image_splits WHERE split = 'unused' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    if unused:
        facts["unused_by_reason"] = dict(unused)
    unplaced = con.execute("SELECT count(*) FROM image_splits WHERE reason = ?", [NO_POSITION]).fetchall()[0][0]
    if unplaced:
        facts["unplaced"] = unplaced
    uneven = {c: far for c, o in sorted(options.items()) if o.method == "stratified" and (far := _furthest(con, c, o))}
    if uneven:
        facts["furthest_class"] = uneven
    return facts


def _furthest(con: duckdb.DuckDBPyConnection, corpus: str, options: SplitOptions) -> dict[str, Any] | None:
    """Find the class and split whose number of images is furthest from what the shares want."""
    shares = dict(zip(SPLITS, (options.train, options.val, options.test), strict=True))
    wanted = pa.schema({"split": pa.string(), "share": pa.float64()})
    con.register("_wanted", arrow.table([list(shares), [s / sum(shares.values()) for s in shares.values()]], wanted))
    furthest = con.execute(
        "WITH i AS (SELECT id, scene_class AS class FROM images WHERE scene_class IS NOT NULL AND corpus = ?),"
        " c AS (SELECT class, count(*) AS n FROM i GROUP BY 1), h AS (SELECT i.class, s.split, count(*) AS n FROM i"
        " JOIN image_splits s ON s.image = i.id GROUP BY ALL)"
        " SELECT c.class, w.split, coalesce(h.n, 0)::BIGINT, c.n, round(w.share * c.n, 2) FROM c CROSS JOIN _wanted w"
        " LEFT JOIN h ON h.class = c.class AND h.split = w.split"
        " ORDER BY abs(coalesce(h.n, 0) - w.share * c.n) DESC, c.class, w.split LIMIT 1",
        [corpus],
    ).fetchall()  # read to its end: the table below must not be in use any more
    con.unregister("_wanted")
    return dict(zip(("class", "split", "images", "of", "wanted"), furthest[0], strict=True)) if furthest else None


def _refuse_unsaid(con: duckdb.DuckDBPyConnection, corpus: str, images: list[Placed], options: SplitOptions) -> None:
    """Refuse a split by place or time that does not say which, and say what the data would allow."""
    again = " The same command then does only the last stage again."
    if options.method == "time" and not options.before:
        raise UserError(
            f"{corpus}: split=time needs split.before=…, as only stated dates stay where they are when images are"
            f" added: {suggest_dates(images, options)}.{again}"
        )
    if options.method == "place":
        found = con.execute(
            "SELECT pair.key, count(DISTINCT id) FROM (SELECT id, unnest(list_concat(places, attributes)) AS pair"
            " FROM images WHERE corpus = ?) GROUP BY 1 ORDER BY 1",
            [corpus],
        ).fetchall()
        asked = options.place_level
        if asked not in {level for level, _ in found}:
            said = f"split.place_level={asked}: no image has it." if asked else "split=place needs split.place_level=…"
            near = suggest(asked, [level for level, _ in found]) if asked else ""
            raise UserError(f"{corpus}: {said}{near} Levels and attributes here: {levels_found(found)}.{again}")


def _placed(con: duckdb.DuckDBPyConnection, options: Mapping[str, SplitOptions]) -> Iterator[Placed]:
    # 'window' is a keyword of SQL and must be quoted
    sql = (
        'SELECT i.id, i.corpus, i.parent, i.origin, i.official_split, i."window" AS box, i.footprint, i.captured,'
        " i.places, i.attributes, r.objects"
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
            yield Placed(
                image=row["id"],
                corpus=row["corpus"],
                parent=row["parent"],
                origin=row["origin"],
                official=row["official_split"],
                objects=tuple(row["objects"] or ()),
                bounds=bounds,
                georeferenced=ring is not None,
                place=_named(options[row["corpus"]].place_level, row["places"], row["attributes"]),
                captured=row["captured"],
            )


def _named(level: str, *kinds: list[dict[str, str]]) -> str | None:
    """Return the first name at a level: of the places, else of the attributes."""
    return next((pair["value"] for pairs in kinds for pair in pairs if pair["key"] == level), None)


def ring_bounds(wkb: bytes | None) -> tuple[float, float, float, float] | None:
    """Return x0, y0, x1, y1 of a polygon that `rows.wkb_polygon` wrote."""
    if not wkb:
        return None
    points = np.frombuffer(wkb, dtype="<f8", offset=13).reshape(-1, 2)
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    return float(x0), float(y0), float(x1), float(y1)
