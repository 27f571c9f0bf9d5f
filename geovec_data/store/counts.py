"""What a finished build holds, counted for the manifest."""

from __future__ import annotations

from typing import Any

import duckdb

from geovec_data.compositions.mapped import STATED
from geovec_data.ids import digest
from geovec_data.schema import BUILD_TABLES
from geovec_data.store.manifest import Shard


def sizes(shards: list[Shard]) -> dict[str, Any]:
    """Count the rows of every table, and hash all shards."""
    rows = {t: sum(s.rows for s in shards if s.table == t) for t in BUILD_TABLES}
    return {"rows": rows, "digest": digest(*(s.sha256 for s in shards))}


def count(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Count examples by task and split, images, categories and rejects; needs the views of the build's tables."""

    def pairs(sql: str) -> dict[str, Any]:
        return {str(k): v for k, v in con.execute(sql).fetchall()}

    tasks: dict[str, dict[str, int]] = {}
    for task, name, n in con.execute(
        "SELECT e.task, s.split, count(*) FROM examples e JOIN splits s ON s.example = e.id GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall():
        tasks.setdefault(task, {})[name] = n
    by_level: dict[str, dict[str, int]] = {}
    for level, code, n in con.execute(
        "SELECT level, code, count(*) FROM rejects GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall():
        by_level.setdefault(level, {})[code] = n
    return {
        "tasks": tasks,
        "images_by_split": pairs("SELECT split, count(*) FROM image_splits GROUP BY 1 ORDER BY 1"),
        "images_by_corpus": pairs("SELECT corpus, count(*) FROM images GROUP BY 1 ORDER BY 1"),
        "synthetic": dict.fromkeys(("captions", "expressions"), 0)
        | pairs("SELECT what, count(*) FROM (SELECT unnest(synthetic) AS what FROM images) GROUP BY 1 ORDER BY 1"),
        "regions_by_category": pairs("SELECT category, count(*) FROM regions GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100"),
        "rejects": pairs("SELECT code, count(*) FROM rejects GROUP BY 1 ORDER BY 1"),
        "rejects_by_level": by_level,
        "corpora": _by_corpus(con),
        **_alignment(con),
        **_stated(con),
        **_map_dates(con),
    }


def _alignment(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Count images by what became of the offset of their labels, with the median of each; none where nobody asked."""
    found = con.execute(
        "WITH facts AS (SELECT id, unnest(attributes) AS fact FROM images), found AS (SELECT"
        " max(fact.value) FILTER (fact.key = 'align') AS kind,"
        " max(fact.value) FILTER (fact.key = 'align_east_m') AS east,"
        " max(fact.value) FILTER (fact.key = 'align_north_m') AS north FROM facts GROUP BY id)"
        " SELECT kind, count(*), round(median(sqrt(east::DOUBLE ** 2 + north::DOUBLE ** 2)), 2) FROM found"
        " WHERE kind IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    kinds = {kind: {"images": n} | ({} if kind == "refused" else {"median_m": metres}) for kind, n, metres in found}
    return {"alignment": kinds} if kinds else {}


def _stated(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Count images by the tag keys that the user states to be mapped completely there; none where he states none."""
    found = con.execute(
        "SELECT fact.value, count(*) FROM (SELECT unnest(attributes) AS fact FROM images) WHERE fact.key = ?"
        " GROUP BY 1 ORDER BY 1",
        [STATED],
    ).fetchall()
    return {"stated_complete": dict(found)} if found else {}


def _map_dates(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Count images by the dates of the map that their labels come from; none where there is no map."""
    found = con.execute(
        "SELECT fact.value, count(*) FROM (SELECT unnest(attributes) AS fact FROM images) WHERE fact.key = 'osm_date'"
        " GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {"map_dates": dict(found)} if found else {}


def _by_corpus(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Count images, regions and examples by split, and rejects by level, for every corpus."""
    out: dict[str, dict[str, Any]] = {}

    def of(corpus: str) -> dict[str, Any]:
        empty = {"images": 0, "regions": 0, "examples": 0, "images_by_split": {}, "tasks": {}, "rejects_by_level": {}}
        return out.setdefault(corpus, empty)

    for corpus, n in con.execute("SELECT corpus, count(*) FROM images GROUP BY 1 ORDER BY 1").fetchall():
        of(corpus)["images"] = n
    for corpus, n in con.execute(
        "SELECT i.corpus, count(*) FROM regions r JOIN images i ON i.id = r.image GROUP BY 1 ORDER BY 1"
    ).fetchall():
        of(corpus)["regions"] = n
    for corpus, name, n in con.execute(
        "SELECT i.corpus, s.split, count(*) FROM image_splits s JOIN images i ON i.id = s.image"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall():
        of(corpus)["images_by_split"][name] = n
    for corpus, task, name, n in con.execute(
        "SELECT e.corpus, e.task, s.split, count(*) FROM examples e JOIN splits s ON s.example = e.id"
        " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ).fetchall():
        found = of(corpus)
        found["examples"] += n
        found["tasks"].setdefault(task, {})[name] = n
    for corpus, level, code, n in con.execute(
        "SELECT corpus, level, code, count(*) FROM rejects GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ).fetchall():
        of(corpus)["rejects_by_level"].setdefault(level, {})[code] = n
    return dict(sorted(out.items()))
