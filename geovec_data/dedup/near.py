"""Near-duplicates: copies that were encoded anew, resized, turned, mirrored or cropped (`geovec_data.near`).

The rule for which of two stays: the corpus that `dedup.prefer` names first; then the one with more pixels; then with
more labels (captions, classes, regions, …); then the first by corpus and key. Images are gone through from the best
down; one that is near to an image that stays goes, with its regions and its examples, and points to that image. Of a
chain where only neighbours are near, every second one thus stays: what goes is always near to something kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data.dedup.exact import Copies
from geovec_data.dedup.options import DedupOptions
from geovec_data.near.pairs import NearPairs, near_pairs
from geovec_data.store.journal import UnitRecord
from geovec_data.store.sql import staged, staged_files
from geovec_data.store.thumbs import thumbnails

Ints = NDArray[np.int64]
Name = tuple[str, str]  # corpus and key


@dataclass(frozen=True, slots=True)
class Near:
    """Near-duplicates.

    Attributes:
        gone: image that goes → its name, the name of the image that stays, their similarity.
        counts: pairs, images that go or would go, images too flat to be compared; empty: not looked for.
    """

    gone: dict[str, tuple[Name, Name, float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def find_near(
    con: duckdb.DuckDBPyConnection,
    staging: Path,
    units: list[UnitRecord],
    copies: Copies,
    options: DedupOptions,
    threads: int,
) -> Near:
    """Find the near-duplicates of all corpora. Holds ids, names and 1 kB a picture, no images."""
    if options.near == "off":
        return Near()
    rows = _ranked(con, staging, units, options)
    names: list[tuple[str, Name]] = [(i, (c, k)) for i, c, k in rows if (i, c, k) not in copies.gone]
    pixels = thumbnails(staged_files(staging, units, "thumbs"), [image for image, _ in names])
    pairs = near_pairs(pixels, threads=threads)
    stays, score = settle(pairs, len(names))
    gone = {names[n][0]: (names[n][1], names[stays[n]][1], float(score[n])) for n in np.flatnonzero(stays >= 0)}
    counts = {"pairs": len(pairs.first), "images": len(gone), "flat": pairs.flat}
    return Near(gone if options.near == "drop" else {}, counts)


def settle(pairs: NearPairs, count: int) -> tuple[Ints, NDArray[np.float64]]:
    """Decide which images go; images are numbered from the best down.

    Returns:
        For each image the image that stays in its place, or -1 when it stays itself; and their similarity.
    """
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    by = np.lexsort((high, low))
    low, high, similar = low[by], high[by], pairs.score[by]
    starts = np.searchsorted(low, np.arange(count + 1))
    stays = np.full(count, -1, dtype=np.int64)
    score = np.zeros(count)
    for n in np.unique(low):
        if stays[n] < 0:
            part = slice(starts[n], starts[n + 1])
            free = stays[high[part]] < 0
            stays[high[part][free]] = n
            score[high[part][free]] = similar[part][free]
    return stays, score


def _ranked(
    con: duckdb.DuckDBPyConnection, staging: Path, units: list[UnitRecord], options: DedupOptions
) -> list[tuple[str, str, str]]:
    """Return id, corpus and key of every image, from the best down."""
    images, regions = (staged(con, staging, units, table) for table in ("images", "regions"))
    counted = f"(SELECT image, count(*) AS n FROM {regions} GROUP BY 1)" if regions else "(SELECT '' AS image, 0 AS n)"
    places = pa.array(range(len(options.prefer)), pa.int64())
    con.register("_preferred", pa.table({"corpus": pa.array(options.prefer, pa.string()), "place": places}))
    rows: list[tuple[str, str, str]] = con.execute(
        f"SELECT i.id, i.corpus, i.key FROM {images} i LEFT JOIN {counted} r ON r.image = i.id"
        " LEFT JOIN _preferred p ON p.corpus = i.corpus ORDER BY coalesce(p.place, 1 << 30),"
        " i.width * i.height DESC, coalesce(r.n, 0) + len(i.captions) + len(i.labels) + len(i.attributes)"
        " + len(i.places) + (i.scene_class IS NOT NULL)::INT DESC, i.corpus, i.key"
    ).fetchall()
    con.unregister("_preferred")
    return rows
