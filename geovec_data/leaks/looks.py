"""The rule that compares looks: near-duplicates by thumbnails that the units left."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from geovec_data.leaks.found import add_pairs
from geovec_data.near import LEFT, RIGHT, SIDE, near_pairs


def near(
    con: duckdb.DuckDBPyConnection, thumbs: str | None, *, bits: int, score: float, limit: int, threads: int
) -> int:
    """Find near-duplicates; returns the number of images that were too flat to be compared.

    Args:
        con: the connection.
        thumbs: what to write after FROM to read (image, thumb); None: there are none.
        bits: `geovec_data.near.MAX_BITS`.
        score: `geovec_data.near.MIN_SCORE`.
        limit: pairs listed for a held-out image.
        threads: threads.
    """
    if thumbs is None:
        return 0
    con.execute(
        "CREATE OR REPLACE TEMP TABLE _sides AS SELECT image, min(corpus) AS corpus,"
        f" (bool_or(split = 'train')::UTINYINT * {LEFT}"
        f" + bool_or(split <> 'train')::UTINYINT * {RIGHT})::UTINYINT AS side"
        " FROM leak_sides GROUP BY image"
    )
    table: pa.Table = con.sql(
        f"SELECT s.image, s.corpus, s.side, t.thumb FROM _sides s JOIN (SELECT image, any_value(thumb) AS thumb"
        f" FROM {thumbs} GROUP BY image) t ON t.image = s.image ORDER BY s.image"
    ).to_arrow_table()
    if not table.num_rows:
        return 0
    column = table.column("thumb").cast(pa.binary(SIDE * SIDE)).combine_chunks()
    pixels = np.frombuffer(column.buffers()[1], dtype=np.uint8)[column.offset * SIDE * SIDE :]
    sides = table.column("side").to_numpy()
    pairs = near_pairs(
        pixels[: table.num_rows * SIDE * SIDE].reshape(-1, SIDE, SIDE),
        sides,
        max_bits=bits,
        min_score=score,
        threads=threads,
    )
    ids = np.array(table.column("image").to_pylist(), dtype=object)
    corpora = np.array(table.column("corpus").to_pylist(), dtype=object)
    # two images of which each is on both sides are a pair twice
    back = np.flatnonzero(((sides[pairs.second] & LEFT) > 0) & ((sides[pairs.first] & RIGHT) > 0))
    train = np.concatenate([pairs.first, pairs.second[back]])
    held = np.concatenate([pairs.second, pairs.first[back]])
    scores = np.concatenate([pairs.score, pairs.score[back]])
    add_pairs(con, "near", ids, corpora, (train, held, scores), "similarity {}", limit)
    return pairs.flat
