"""The leak report: what stands on both sides of a split, counted by rule, from the finished tables.

Rules: ``image`` (one image in two splits), ``parent`` (chips of one image in two splits without a buffer),
``caption`` (one normalised caption in two splits: no leak of an image, so it is reported apart).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

SAMPLES = 5


def report(con: duckdb.DuckDBPyConnection, methods: Collection[str]) -> dict[str, Any]:
    """Count leaks between train and the held-out splits.

    Args:
        con: a connection with the tables `images`, `image_splits`, `examples`, `splits`.
        methods: the corpora's split methods; `blocks` divides parents on purpose, so `parent` says so.

    Returns:
        rule → {count, of, unit, samples, note}.
    """
    out: dict[str, Any] = {}
    shared = (
        "SELECT {key} AS k, count(DISTINCT split) AS n FROM {source} WHERE split IN ('train', 'val', 'test')"
        " GROUP BY 1 HAVING n > 1 AND bool_or(split = 'train')"
    )
    rules = {
        "image": ("image", "image_splits", "images"),
        "parent": ("i.corpus || '/' || i.parent", "image_splits s JOIN images i ON i.id = s.image", "parent images"),
        "caption": (
            "e.caption_key",
            "examples e JOIN splits s ON s.example = e.id AND e.caption_key IS NOT NULL"
            " AND e.task IN ('text_to_image', 'image_to_text')",
            "captions",
        ),
    }
    for rule, (key, source, unit) in rules.items():
        found = con.execute(f"SELECT k FROM ({shared.format(key=key, source=source)}) ORDER BY k").fetchall()
        of = con.execute(f"SELECT count(DISTINCT {key}) FROM {source}").fetchone()
        out[rule] = {
            "count": len(found),
            "of": of[0] if of else 0,
            "unit": unit,
            "samples": [f[0] for f in found[:SAMPLES]],
        }
    if "blocks" in methods:
        out["parent"]["note"] = "the split is spatial inside an image, with an unused buffer between"
    held = con.execute(
        "SELECT count(DISTINCT e.image) FILTER (WHERE seen), count(DISTINCT e.image) FROM ("
        " SELECT e.image, e.caption_key IN (SELECT t.caption_key FROM examples t JOIN splits u ON u.example = t.id"
        "  WHERE u.split = 'train' AND t.task = 'text_to_image') AS seen"
        " FROM examples e JOIN splits s ON s.example = e.id"
        " WHERE s.split IN ('val', 'test') AND e.task = 'text_to_image') e"
    ).fetchone()
    if held and held[1]:
        out["caption"]["held_out_images"] = {"sharing_a_caption_with_train": held[0], "of": held[1]}
    return out
