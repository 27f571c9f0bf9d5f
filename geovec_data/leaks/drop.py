"""Taking a side of what leaks out of its split: nothing is deleted, it goes to split ``unused`` with the reason."""

from __future__ import annotations

import duckdb

from geovec_data.leaks.options import Policy, Rule

UNUSED = "unused"


def mark(con: duckdb.DuckDBPyConnection, rule: Rule, policy: Policy) -> int:
    """Note what a rule drops, and take it from ``leak_sides``; returns the number of images, for captions of examples.

    A caption is dropped by its examples alone: the image and its other tasks stay.
    """
    con.execute("CREATE TEMP TABLE IF NOT EXISTS leak_images (image VARCHAR, split VARCHAR, rule VARCHAR)")
    con.execute("CREATE TEMP TABLE IF NOT EXISTS leak_examples (example VARCHAR, rule VARCHAR)")
    side = "= 'train'" if policy == "drop_train" else "<> 'train'"
    if rule == "caption":
        table, of = "leak_examples", "example"
        con.execute(
            "INSERT INTO leak_examples SELECT DISTINCT example, 'caption' FROM leak_captions"
            f" SEMI JOIN leak_shared USING (key) WHERE split {side}"
        )
    else:
        table, of = "leak_images", "image"
        if policy == "drop_train":
            rows = "SELECT DISTINCT image, 'train', rule FROM leak_train WHERE rule = ?"
        else:
            rows = "SELECT DISTINCT held_out, split, rule FROM leak_pairs WHERE rule = ?"
        con.execute(f"INSERT INTO leak_images {rows}", [rule])
        con.execute("DELETE FROM leak_sides WHERE (image, split) IN (SELECT (image, split) FROM leak_images)")
    return int(con.execute(f"SELECT count(DISTINCT {of}) FROM {table} WHERE rule = ?", [rule]).fetchall()[0][0])


# what the split tables become: table → SQL of its rows, in order
REWRITTEN = {
    "image_splits": (
        f"SELECT DISTINCT s.image, CASE WHEN d.image IS NULL THEN s.split ELSE '{UNUSED}' END AS split,"
        " coalesce('leak: ' || d.rule, s.reason) AS reason FROM image_splits s"
        " LEFT JOIN (SELECT image, split, min(rule) AS rule FROM leak_images GROUP BY ALL) d"
        " ON d.image = s.image AND d.split = s.split ORDER BY s.image, split, reason"
    ),
    "splits": (
        f"SELECT s.example, CASE WHEN d.rule IS NULL AND c.rule IS NULL THEN s.split ELSE '{UNUSED}' END AS split,"
        " coalesce('leak: ' || coalesce(d.rule, c.rule), s.reason) AS reason FROM splits s"
        " JOIN examples e ON e.id = s.example"
        " LEFT JOIN (SELECT image, split, min(rule) AS rule FROM leak_images GROUP BY ALL) d"
        " ON d.image = e.image AND d.split = s.split LEFT JOIN leak_examples c ON c.example = s.example"
        " ORDER BY s.example"
    ),
}
