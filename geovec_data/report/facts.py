"""What the report says about the tables: counts, rejects, scenes and examples, each by one bounded query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb

from geovec_data.dataset import Dataset, ItemStore
from geovec_data.records import Box, Segments

SPLITS = ("train", "val", "test", "unused")
CATEGORIES = 12
POSITIVES = 3  # shown of one example; the rest are counted


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """One task: its row in the manifest and its number of examples by split."""

    name: str
    meta_task: str
    query_kind: str
    target_kind: str
    instructions: tuple[str, ...]
    by_split: dict[str, int]

    @property
    def total(self) -> int:
        """Examples in all splits."""
        return sum(self.by_split.values())


@dataclass(frozen=True, slots=True)
class SceneFacts:
    """One image with its regions and sentences."""

    image: str
    key: str
    split: str
    scene_class: str | None
    captions: list[str]
    regions: list[tuple[Box, str, tuple[float, ...]]]


@dataclass(frozen=True, slots=True)
class ExampleFacts:
    """One example as it is asked: item ids and the segments of every item it names."""

    id: str
    task: str
    split: str
    scope: str
    instruction: str
    query: str
    positives: list[str]
    more: int
    segments: dict[str, Segments] = field(default_factory=dict)


def one(con: duckdb.DuckDBPyConnection, sql: str, *values: Any) -> Any:
    """Return the first value of a query. The result is read to its end: an unfinished one blocks the connection."""
    rows = con.execute(sql, list(values)).fetchall()
    return rows[0][0] if rows else None


def totals(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count rows of the main tables."""
    return {t: one(con, f"SELECT count(*) FROM {t}") for t in ("images", "regions", "items", "examples", "rejects")}


def tasks(dataset: Dataset, con: duckdb.DuckDBPyConnection) -> list[TaskFacts]:
    """Return the recipe's tasks by meta-task and name, with those that have no example here."""
    counts: dict[str, dict[str, int]] = {}
    rows = con.execute("SELECT task, split, count(*) FROM example_splits GROUP BY ALL").fetchall()
    for task, split, n in rows:
        counts.setdefault(task, {})[split] = n
    out = [
        TaskFacts(name, t.meta_task, t.query_kind, t.target_kind, t.instructions, counts.get(name, {}))
        for name, t in dataset.manifest.tasks.items()
    ]
    return sorted(out, key=lambda t: (t.meta_task, t.name))


def rejects(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return the reasons for refusal, most frequent first, with one example of each."""
    rows = con.execute(
        "SELECT code, level, stage, count(*) AS n, arg_min(detail, path), min(path) FROM rejects"
        " GROUP BY code, level, stage ORDER BY n DESC, code, level, stage"
    ).fetchall()
    names = ("code", "level", "stage", "count", "detail", "path")
    return [dict(zip(names, row, strict=True)) for row in rows]


def categories(con: duckdb.DuckDBPyConnection) -> tuple[list[tuple[str, int]], int]:
    """Return the most frequent region categories with their counts, and how many further categories there are."""
    rows = con.execute("SELECT category, count(*) AS n FROM regions GROUP BY 1 ORDER BY n DESC, 1").fetchall()
    return rows[:CATEGORIES], max(0, len(rows) - CATEGORIES)


def synthesised(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return how many images have which text synthesised."""
    rows = con.execute(
        "SELECT what, count(*) FROM (SELECT unnest(synthetic) AS what FROM images) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return dict(rows)


def scenes(con: duckdb.DuckDBPyConnection, count: int, seed: int) -> list[SceneFacts]:
    """Choose scenes in seeded order, those with regions first, spread over classes or parent images."""
    chosen = con.execute(
        "WITH shown AS (SELECT i.id, i.key, i.scene_class, i.captions, md5(i.id || $seed) AS turn,"
        " coalesce(i.scene_class, i.parent) AS kin,"
        " (SELECT min(s.split) FROM image_splits s WHERE s.image = i.id) AS split,"
        " EXISTS (SELECT 1 FROM regions r WHERE r.image = i.id) AS labelled FROM images i)"
        " SELECT id, key, scene_class, captions, split FROM shown ORDER BY labelled DESC,"
        " split = 'unused',"
        " row_number() OVER (PARTITION BY labelled, kin ORDER BY turn), turn LIMIT $count",
        {"seed": str(seed), "count": count},
    ).fetchall()
    out = []
    for image, key, scene_class, captions, split in chosen:
        rows = con.execute("SELECT box, category, polygon FROM regions WHERE image = ? ORDER BY id", [image]).fetchall()
        regions = [(_box(b), str(c), tuple(p or ())) for b, c, p in rows]
        out.append(SceneFacts(image, key, split or "unused", scene_class, captions, regions))
    return out


def _box(raw: dict[str, float]) -> Box:
    return raw["x0"], raw["y0"], raw["x1"], raw["y1"]


def examples(
    dataset: Dataset,
    con: duckdb.DuckDBPyConnection,
    task: str,
    count: int,
    seed: int,
    *,
    among: str | None = None,
) -> list[ExampleFacts]:
    """Choose examples of a task in seeded order, from as many scenes as there are.

    Args:
        dataset: the dataset, for its instructions.
        con: its connection.
        task: task name.
        count: how many.
        seed: of the order.
        among: a relation with a column ``example``; only these are chosen from.
    """
    limit = f"AND e.id IN (SELECT example FROM {among})" if among else ""
    rows = con.execute(
        "SELECT id, split, scope, instruction, query FROM (SELECT e.*, row_number() OVER"
        " (PARTITION BY e.image ORDER BY md5(e.id || $seed)) AS turn"
        f" FROM example_splits e WHERE e.task = $task {limit})"
        " ORDER BY split = 'unused', turn, md5(id || $seed) LIMIT $count",
        {"task": task, "seed": str(seed), "count": count},
    ).fetchall()
    out = []
    for name, split, scope, instruction, query in rows:
        right = con.execute("SELECT DISTINCT item FROM qrels WHERE example = ? ORDER BY item", [name]).fetchall()
        shown = [r[0] for r in right[:POSITIVES]]
        out.append(
            ExampleFacts(
                name, task, split, scope, dataset.instruction(instruction), query, shown, len(right) - len(shown)
            )
        )
    fill(con, out)
    return out


def fill(
    con: duckdb.DuckDBPyConnection, chosen: list[ExampleFacts], further: dict[str, list[str]] | None = None
) -> None:
    """Fetch the segments of every item that the examples name, and of `further` items by example id."""
    named = {e.id: [e.query, *e.positives, *(further or {}).get(e.id, [])] for e in chosen}
    wanted = sorted({i for items in named.values() for i in items})
    found = con.sql("SELECT * FROM items WHERE list_contains($ids, id)", params={"ids": wanted}).to_arrow_table()
    store = ItemStore(found)
    for e in chosen:
        e.segments.update({i: store.segments(i) for i in named[e.id]})


def polygon_of(con: duckdb.DuckDBPyConnection, image: str, box: Box) -> tuple[float, ...]:
    """Return the ring of the region with this very box, or nothing."""
    found = one(
        con,
        "SELECT polygon FROM regions WHERE image = ? AND box.x0 = ? AND box.y0 = ? AND box.x1 = ? AND box.y1 = ?"
        " AND polygon IS NOT NULL ORDER BY id LIMIT 1",
        image,
        *box,
    )
    return tuple(found or ())
