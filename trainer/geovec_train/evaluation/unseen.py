"""The queries whose captions training has not seen: a caption in words that train has too is half known by heart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import duckdb

from geovec_train.evaluation.pools import Pool

SUBSET = "unseen captions"
TASKS = ("text_to_image", "image_to_text")
_SEEN = (
    "SELECT i.text_key FROM positives p JOIN items i ON i.id = {side}"
    " WHERE p.split = 'train' AND p.task = '{task}' AND i.text_key IS NOT NULL"
)


def without_seen_captions(con: duckdb.DuckDBPyConnection, pool: Pool) -> Iterator[Pool]:
    """Yield the pool once more, asked only with queries none of whose captions stands in train in the same words.

    The candidates stay. Yields nothing for tasks without captions, or where all or no queries are left.
    """
    if pool.task not in TASKS or pool.scope != "split":
        return
    texts = pool.queries if pool.task == "text_to_image" else pool.items
    keys = f"{_SEEN.format(side='p.query', task=TASKS[0])} UNION {_SEEN.format(side='p.item', task=TASKS[1])}"
    sql = f"SELECT id FROM items WHERE id IN (SELECT unnest($ids)) AND text_key IN ({keys})"
    seen = {r[0] for r in con.execute(sql, {"ids": texts}).fetchall()}
    captions = (
        [{q} for q in pool.queries]
        if pool.task == "text_to_image"
        else [{pool.items[i] for i in right} for right in pool.positives]
    )
    kept = [n for n, said in enumerate(captions) if not said & seen]
    if kept and len(kept) < len(captions):
        yield replace(
            pool,
            queries=[pool.queries[n] for n in kept],
            query_groups=[pool.query_groups[n] for n in kept],
            positives=[pool.positives[n] for n in kept],
            parents=[pool.parents[n] for n in kept],
            images=[pool.images[n] for n in kept],
            corpora=[pool.corpora[n] for n in kept],
            barred=pool.barred[kept],
            subset=SUBSET,
        )
