"""The rule that compares looks: near-duplicates by thumbnails that the units left."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data import arrow
from geovec_data.leaks.found import add_pairs
from geovec_data.near.pairs import NearPairs, near_pairs
from geovec_data.near.search import LEFT, RIGHT
from geovec_data.store.thumbs import thumbnails


@dataclass(frozen=True, slots=True)
class Search:
    """A search for near-duplicates that is under way.

    Attributes:
        images: ids of the images that stand on a side, ascending.
        corpora: their corpora.
        sides: their sides, as bits.
        pairs: what will be found.
    """

    images: NDArray[np.object_]
    corpora: NDArray[np.object_]
    sides: NDArray[np.uint8]
    pairs: Future[NearPairs]


def begin(
    con: duckdb.DuckDBPyConnection, thumbs: Sequence[Path], *, bits: int, score: float, threads: int
) -> Search | None:
    """Begin the search, in the background; None where there is nothing to search.

    Args:
        con: the connection, with the table of sides; it is not used any more afterwards.
        thumbs: staged files of (image, thumb).
        bits: `geovec_data.near.MAX_BITS`.
        score: `geovec_data.near.MIN_SCORE`.
        threads: threads.
    """
    if not thumbs:
        return None
    table: pa.Table = con.sql(
        f"SELECT image, min(corpus) AS corpus, (bool_or(split = 'train')::UTINYINT * {LEFT}"
        f" + bool_or(split <> 'train')::UTINYINT * {RIGHT})::UTINYINT AS side"
        " FROM leak_sides GROUP BY image ORDER BY image"
    ).to_arrow_table()
    if not table.num_rows:
        return None
    images: list[str] = table.column("image").to_pylist()
    sides = arrow.numbers(table.column("side").combine_chunks())

    def search() -> NearPairs:
        return near_pairs(thumbnails(thumbs, images), sides, max_bits=bits, min_score=score, threads=threads)

    pool = ThreadPoolExecutor(1)
    pairs = pool.submit(search)
    pool.shutdown(wait=False)
    corpora = np.array(table.column("corpus").to_pylist(), dtype=object)
    return Search(np.array(images, dtype=object), corpora, sides, pairs)


def near(con: duckdb.DuckDBPyConnection, search: Search | None, *, limit: int) -> int:
    """Wait for a search and note what it found; returns the number of images that were too flat to be compared.

    Args:
        con: the connection.
        search: what `begin` returned.
        limit: pairs listed for a held-out image.
    """
    if search is None:
        return 0
    pairs, sides = search.pairs.result(), search.sides
    # two images of which each is on both sides are a pair twice
    back = np.flatnonzero(((sides[pairs.second] & LEFT) > 0) & ((sides[pairs.first] & RIGHT) > 0))
    train = np.concatenate([pairs.first, pairs.second[back]])
    held = np.concatenate([pairs.second, pairs.first[back]])
    scores = np.concatenate([pairs.score, pairs.score[back]])
    add_pairs(con, "near", search.images, search.corpora, (train, held, scores), "similarity {}", limit)
    return pairs.flat
