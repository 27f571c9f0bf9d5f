"""Prove every composition of a build: the checker sees each wording with the labels of every image it leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geovec_data.compositions import mapped
from geovec_data.compositions.check import Facts, supported
from geovec_data.errors import DataFault

if TYPE_CHECKING:
    import duckdb

_ROWS = 2048

# read from the labels themselves, not from what the derivation made of them; images with equal labels are seen once
_CASES = """
WITH labels AS (
  SELECT i.id, i.corpus, coalesce(m.class, i.scene_class, '') AS class, i.attributes,
    coalesce((SELECT list(DISTINCT r.category ORDER BY r.category) FROM regions r WHERE r.image = i.id), [])
      AS categories
  FROM images i LEFT JOIN merged_classes m ON m.corpus = i.corpus AND m.name = i.scene_class
  WHERE i.corpus IN (SELECT corpus FROM composed_corpora))
SELECT t.text, q.corpus, q.class AS query_class, q.attributes AS query_attributes, q.categories AS query_categories,
  a.class AS class, a.attributes AS attributes, a.categories AS categories, min(e.id) AS example, min(a.id) AS image
FROM examples e
JOIN (SELECT i.id, s.text FROM items i, unnest(i.segments) AS u(s) WHERE s.kind = 'text') t ON t.id = e.query
JOIN labels q ON q.id = e.image
JOIN qrels r ON r.example = e.id
JOIN items x ON x.id = r.item
JOIN labels a ON a.id = x.image
WHERE e.task = ?
GROUP BY ALL
"""


def prove(con: duckdb.DuckDBPyConnection, task: str) -> None:
    """Check all compositions.

    Raises:
        DataFault: naming the first that its labels do not bear out, or that leads back to its own image.
    """
    words = (
        "SELECT DISTINCT i.corpus, r.category FROM regions r JOIN images i ON i.id = r.image"
        " UNION SELECT corpus, a.value FROM (SELECT corpus, unnest(attributes) AS a FROM images)"
        f" WHERE a.key = '{mapped.SHOWS}'"
    )
    pairs = "SELECT DISTINCT corpus, a.key, a.value FROM (SELECT corpus, unnest(attributes) AS a FROM images)"
    categories: dict[str, list[str]] = {}
    values: dict[str, list[tuple[str, str]]] = {}
    for corpus, category in con.execute(f"{words} ORDER BY ALL").fetchall():
        categories.setdefault(corpus, []).append(category)
    for corpus, key, value in con.execute(f"{pairs} ORDER BY ALL").fetchall():
        values.setdefault(corpus, []).append((key, value))
    own = con.execute(
        "SELECT e.id FROM examples e JOIN qrels r ON r.example = e.id JOIN items x ON x.id = r.item"
        " WHERE e.task = ? AND x.image = e.image ORDER BY 1 LIMIT 1",
        [task],
    ).fetchone()
    if own:
        raise DataFault(f"composition {own[0]} leads back to its own image: please report this")
    for batch in con.sql(_CASES, params=[task]).to_arrow_reader(_ROWS):
        for row in batch.to_pylist():
            query = _facts(row, "query_")
            corpus = row["corpus"]
            if not supported(row["text"], query, _facts(row), categories.get(corpus, []), values.get(corpus, [])):
                raise DataFault(
                    f"composition {row['example']}: the labels of image {row['image']} do not bear out"
                    f" {row['text']!r} of an image with {query}: please report this"
                )


def _facts(row: dict[str, Any], prefix: str = "") -> Facts:
    attributes = frozenset((a["key"], a["value"]) for a in row[f"{prefix}attributes"])
    shows, lacks = mapped.facts(attributes) or (frozenset(row[f"{prefix}categories"]), None)
    return Facts(
        categories=shows,
        scene_class=row[f"{prefix}class"],
        attributes=attributes,
        lacks=lacks,
        amounts=mapped.amounts(attributes),
    )
