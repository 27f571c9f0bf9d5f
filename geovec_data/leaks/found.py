"""Where the rules put what they find: temporary tables of the final stage's connection.

- ``leak_sides``: which images stand where (image, corpus, split), by their own split and by that of their examples.
- ``leak_pairs``: the listing (rule, train, held_out, split, score, detail, partners).
- ``leak_train``: all training images that a rule found (rule, image), the ones beyond the listing's limit too.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data import arrow
from geovec_data.leaks.options import Rule

Ints = NDArray[np.int64]

# An image counts where it is put itself and where an example on it is: an official split by object puts it in several,
# and a second corpus may hold the same image in another split.
SIDES = (
    "SELECT DISTINCT p.image, i.corpus, p.split FROM (SELECT image, split FROM image_splits"
    " UNION ALL SELECT e.image, s.split FROM examples e JOIN splits s ON s.example = e.id) p"
    " JOIN images i ON i.id = p.image WHERE p.split IN ('train', 'val', 'test')"
)


LISTING = pa.schema({"train": pa.string(), "held_out": pa.string(), "score": pa.float64(), "partners": pa.int32()})


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables; `con` has views of images, examples, items, qrels, splits and image_splits."""
    con.execute(f"CREATE TEMP TABLE leak_sides AS {SIDES}")
    con.execute(
        "CREATE TEMP TABLE leak_pairs (rule VARCHAR, train VARCHAR, held_out VARCHAR, split VARCHAR, score DOUBLE,"
        " detail VARCHAR, partners INTEGER)"
    )
    con.execute("CREATE TEMP TABLE leak_train (rule VARCHAR, image VARCHAR)")


def add_pairs(
    con: duckdb.DuckDBPyConnection,
    rule: Rule,
    ids: NDArray[np.object_],
    corpora: NDArray[np.object_],
    pairs: tuple[Ints, Ints, NDArray[np.floating]],
    detail: str,
    limit: int,
) -> None:
    """Add pairs of positions: training image, held-out image, score.

    Of each held-out image at most `limit` are listed: other corpora's first, then by score, highest first.

    Args:
        con: the connection.
        rule: whose they are.
        ids: image ids by position, ascending.
        corpora: their corpora.
        pairs: training image, held-out image, score.
        detail: a format for the score, e.g. ``similarity {}``.
        limit: see above.
    """
    train, held, score = pairs
    reached = arrow.table([ids[np.unique(train)]], pa.schema({"image": pa.string()}))
    con.register("_reached", reached)
    con.execute("INSERT INTO leak_train SELECT ?, image FROM _reached", [rule])
    con.unregister("_reached")
    order = np.lexsort((train, -score, corpora[train] == corpora[held], held))
    train, held, score = train[order], held[order], score[order]
    partners = np.bincount(held, minlength=len(ids))[held] if len(held) else held
    first = np.flatnonzero(np.concatenate([[True], held[1:] != held[:-1]])) if len(held) else held
    rank = np.arange(len(held)) - np.repeat(first, np.diff(np.append(first, len(held))))
    kept = rank < limit
    rounded = np.round(score[kept].astype(np.float64), 3)
    listing = arrow.table([ids[train[kept]], ids[held[kept]], rounded, partners[kept]], LISTING)
    con.register("_listing", listing)
    con.execute(
        "INSERT INTO leak_pairs SELECT ?, l.train, l.held_out, s.split, l.score, format(?, l.score), l.partners"
        " FROM _listing l JOIN leak_sides s ON s.image = l.held_out AND s.split <> 'train'",
        [rule, detail],
    )
    con.unregister("_listing")
