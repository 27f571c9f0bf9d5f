"""The rules that compare keys: one image, one origin, one caption on both sides of a split.

All pairs of a key that thousands share are quadratic: their number is counted from the key, and the listing joins at
most `limit` training images of a key.
"""

from __future__ import annotations

import duckdb

# the words that an image stands with, in the tasks that set an image against its captions
CAPTIONS = (
    "SELECT DISTINCT e.image, s.split, i.id AS item, i.text_key AS key, e.id AS example FROM examples e"
    " JOIN splits s ON s.example = e.id JOIN items i ON i.id = e.query WHERE e.task = 'text_to_image'"
    " UNION SELECT e.image, s.split, i.id, i.text_key, e.id FROM examples e JOIN splits s ON s.example = e.id"
    " JOIN qrels q ON q.example = e.id JOIN items i ON i.id = q.item WHERE e.task = 'image_to_text'"
)


def image(con: duckdb.DuckDBPyConnection) -> None:
    """One image in train and in a held-out split."""
    pairs = "leak_sides t JOIN leak_sides h ON h.image = t.image AND t.split = 'train' AND h.split <> 'train'"
    con.execute(
        f"INSERT INTO leak_pairs SELECT 'image', t.image, h.image, h.split, 1, 'the same image', 1 FROM {pairs}"
    )
    con.execute(f"INSERT INTO leak_train SELECT DISTINCT 'image', t.image FROM {pairs}")


def lineage(con: duckdb.DuckDBPyConnection, limit: int) -> None:
    """Two images of one origin.

    Parts of one image that a split by blocks divides on purpose are no pair here: whether they keep their distance is
    the rule footprint's to say.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE _origins AS SELECT s.image, s.corpus, s.split, i.origin,"
        " CASE WHEN b.image IS NOT NULL THEN i.corpus || chr(31) || i.parent END AS divided"
        " FROM leak_sides s JOIN images i ON i.id = s.image"
        " LEFT JOIN (SELECT DISTINCT image FROM image_splits WHERE reason = 'hash of block') b ON b.image = s.image"
    )
    apart = "h.image <> t.image AND (h.divided IS NULL OR h.divided IS DISTINCT FROM t.divided)"
    con.execute(
        "INSERT INTO leak_train SELECT DISTINCT 'lineage', t.image FROM _origins t WHERE t.split = 'train' AND EXISTS"
        f" (SELECT 1 FROM _origins h WHERE h.split <> 'train' AND h.origin = t.origin AND {apart})"
    )
    con.execute(
        f"""
        INSERT INTO leak_pairs
        WITH t AS (SELECT * FROM _origins WHERE split = 'train'),
        h AS (SELECT * FROM _origins WHERE split <> 'train'),
        whole AS (SELECT origin, count(*) AS n FROM t GROUP BY 1),
        parts AS (SELECT origin, divided, count(*) AS n FROM t WHERE divided IS NOT NULL GROUP BY 1, 2),
        few AS (SELECT * FROM t
            QUALIFY row_number() OVER (PARTITION BY origin, corpus, divided ORDER BY image) <= $most)
        SELECT 'lineage', t.image, h.image, h.split, 1, 'origin ' || h.origin,
            w.n - coalesce(p.n, 0) - (o.image IS NOT NULL)::INTEGER
        FROM h JOIN few t ON t.origin = h.origin AND {apart}
        JOIN whole w ON w.origin = h.origin
        LEFT JOIN parts p ON p.origin = h.origin AND p.divided = h.divided
        LEFT JOIN t o ON o.image = h.image
        QUALIFY row_number() OVER (PARTITION BY h.image, h.split ORDER BY t.corpus = h.corpus, t.image) <= $most
        """,
        {"most": limit},
    )


def caption(con: duckdb.DuckDBPyConnection, limit: int) -> None:
    """Two images with a caption in the same words, whatever case, blanks and full stop they are written with."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE leak_captions AS {CAPTIONS}")
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE leak_shared AS
        SELECT key FROM leak_captions WHERE key IS NOT NULL GROUP BY key
        HAVING bool_or(split = 'train') AND bool_or(split IN ('val', 'test'))
        """
    )
    con.execute(
        "INSERT INTO leak_train SELECT DISTINCT 'caption', image FROM leak_captions SEMI JOIN leak_shared USING (key)"
        " WHERE split = 'train'"
    )
    con.execute(
        """
        INSERT INTO leak_pairs
        WITH c AS (SELECT DISTINCT c.image, c.split, c.key, i.corpus, i.id FROM leak_captions c
            SEMI JOIN leak_shared USING (key) JOIN images i ON i.id = c.image),
        t AS (SELECT * FROM c WHERE split = 'train'), h AS (SELECT * FROM c WHERE split IN ('val', 'test')),
        whole AS (SELECT key, count(*) AS n FROM t GROUP BY 1),
        few AS (SELECT * FROM t QUALIFY row_number() OVER (PARTITION BY key, corpus ORDER BY image) <= $most),
        words AS (SELECT l.key, min(i.segments[1].text) AS text FROM leak_captions l SEMI JOIN leak_shared USING (key)
            JOIN items i ON i.id = l.item GROUP BY 1)
        SELECT 'caption', t.image, h.image, h.split, 1, w.text, n.n
        FROM h JOIN few t USING (key) JOIN whole n USING (key) JOIN words w USING (key)
        QUALIFY row_number() OVER (PARTITION BY h.image, h.split, key ORDER BY t.corpus = h.corpus, t.image) <= $most
        """,
        {"most": limit},
    )
