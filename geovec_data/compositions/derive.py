"""Which changes are possible: the states of scenes, and the states that another scene of the split shows.

A *state* is a value in a *space*: the value of one attribute among the images of one class, or the set of labelled
categories among all images; where the labels are a map's (`geovec_data.compositions.mapped`), the kinds that are shown,
among the images that show one kind or are known to lack it, or the amount of a kind, among those that show the same
kinds. Images of one corpus and split that share a state answer the same changes. All of it is SQL over the finished
tables, so that memory does not grow with the corpus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from geovec_data.build.chips import PARTLY_SHOWN
from geovec_data.compositions.mapped import ALSO, AMOUNT, LACKS, LEVEL, SHOWS

if TYPE_CHECKING:
    import duckdb

# Labels that were refused still stand for things in the picture; a repeated one or one beyond the edge does not.
_HARMLESS = "('duplicate_region', 'outside_image', 'inverted_box', 'empty_box')"

_MEMBERS = """
CREATE TEMP TABLE members AS
SELECT i.id AS image, i.corpus, s.split, coalesce(m.class, i.scene_class) AS class, i.key
FROM images i
JOIN composed_corpora c ON c.corpus = i.corpus
JOIN (SELECT image, min(split) AS split FROM image_splits GROUP BY image HAVING count(*) = 1) s ON s.image = i.id
LEFT JOIN merged_classes m ON m.corpus = i.corpus AND m.name = i.scene_class
WHERE s.split <> 'unused'
"""

_ATTRIBUTES = """
CREATE TEMP TABLE attribute_states AS
SELECT image, corpus, split, class || chr(31) || a.key AS space, a.key AS name, min(a.value) AS state
FROM (SELECT m.image, m.corpus, m.split, m.class, unnest(i.attributes) AS a
      FROM members m JOIN images i ON i.id = m.image WHERE m.class IS NOT NULL)
GROUP BY image, corpus, split, class, a.key
HAVING count(DISTINCT a.value) = 1
"""

_CATEGORIES = f"""
CREATE TEMP TABLE category_sets AS
SELECT m.image, m.corpus, m.split, list(DISTINCT r.category ORDER BY r.category) AS categories
FROM members m JOIN regions r ON r.image = m.image
WHERE (m.corpus, m.key) NOT IN
  (SELECT (corpus, path) FROM rejects WHERE level = 'region' AND code NOT IN {_HARMLESS})
AND m.image NOT IN
  (SELECT id FROM (SELECT id, unnest(attributes) AS a FROM images) WHERE a.key IN ('{PARTLY_SHOWN}', '{LEVEL}'))
GROUP BY m.image, m.corpus, m.split
"""

_MAPPED = f"""
CREATE TEMP TABLE mapped AS
SELECT image, corpus, split, chr(30) || unnest(known) AS space, shows
FROM (SELECT image, corpus, split,
        coalesce(list(a.value ORDER BY a.value) FILTER (a.key IN ('{SHOWS}', '{ALSO}')), []) AS shows,
        coalesce(list(a.value) FILTER (a.key IN ('{SHOWS}', '{LACKS}')), []) AS known
      FROM (SELECT m.image, m.corpus, m.split, unnest(i.attributes) AS a FROM members m JOIN images i ON i.id = m.image)
      GROUP BY image, corpus, split HAVING bool_or(a.key = '{LEVEL}'))
"""

# one kind's amounts are states of a space of their own, among images that show the same kinds
_AMOUNTS = f"""
CREATE TEMP TABLE amounts AS
SELECT image, corpus, split, split_part(said, '=', 1) AS name, split_part(said, '=', 2) AS state,
  concat(chr(29), split_part(said, '=', 1), chr(31), shows) AS space
FROM (SELECT image, corpus, split, unnest(list(a.value) FILTER (a.key = '{AMOUNT}')) AS said,
        coalesce(string_agg(a.value, chr(31) ORDER BY a.value) FILTER (a.key IN ('{SHOWS}', '{ALSO}')), '') AS shows
      FROM (SELECT m.image, m.corpus, m.split, unnest(i.attributes) AS a FROM members m JOIN images i ON i.id = m.image)
      GROUP BY image, corpus, split)
"""

_STATES = """
CREATE TEMP TABLE states AS
SELECT image, corpus, split, space, state FROM attribute_states
UNION ALL SELECT image, corpus, split, '', array_to_string(categories, chr(31)) FROM category_sets
UNION ALL SELECT image, corpus, split, space, array_to_string(shows, chr(31)) FROM mapped
UNION ALL SELECT image, corpus, split, space, state FROM amounts
"""

_MOVES = """
CREATE TEMP TABLE moves AS
WITH groups AS (SELECT corpus, split, space, state, count(*) AS images FROM states GROUP BY ALL),
named AS (
  SELECT DISTINCT corpus, split, space, name, state, 'attribute' AS kind FROM attribute_states
  UNION SELECT DISTINCT corpus, split, space, name, state, 'amount' FROM amounts),
sets AS (
  SELECT DISTINCT corpus, split, '' AS space, categories, unnest(categories) AS category FROM category_sets
  UNION ALL SELECT DISTINCT corpus, split, space, shows, substr(space, 2) FROM mapped
    WHERE list_contains(shows, substr(space, 2))),
less AS (
  SELECT corpus, split, space, array_to_string(categories, chr(31)) AS more, category,
    array_to_string([x FOR x IN categories IF x <> category], chr(31)) AS fewer
  FROM sets),
possible AS (
  SELECT a.corpus, a.split, a.space, a.state AS before, b.state AS after, a.kind, a.name
  FROM named a JOIN named b USING (corpus, split, space) WHERE a.state <> b.state
  UNION ALL SELECT corpus, split, space, more, fewer, 'without', category FROM less
  UNION ALL SELECT corpus, split, space, fewer, more, 'with', category FROM less)
SELECT p.*, t.images AS targets FROM possible p
JOIN groups q ON q.corpus = p.corpus AND q.split = p.split AND q.space = p.space AND q.state = p.before
JOIN groups t ON t.corpus = p.corpus AND t.split = p.split AND t.space = p.space AND t.state = p.after
JOIN composed_corpora c ON c.corpus = p.corpus
WHERE c.most_targets = 0 OR t.images <= c.most_targets
"""

# A query image is chosen by the hash of its id and the change, so that an image added elsewhere moves no choice but
# at a cap. md5, not DuckDB's hash(), which another version may compute otherwise.
_CHOSEN = """
CREATE TEMP TABLE chosen AS
WITH asked AS (
  SELECT s.image, m.*, md5(concat_ws(chr(30), s.image, m.space, m.kind, m.name, m.after)) AS lot
  FROM moves m JOIN states s
    ON s.corpus = m.corpus AND s.split = m.split AND s.space = m.space AND s.state = m.before),
by_image AS (SELECT *, row_number() OVER (PARTITION BY image ORDER BY lot) AS nth_of_image FROM asked),
by_change AS (
  SELECT b.*, row_number() OVER (
    PARTITION BY b.corpus, b.split, b.space, b.before, b.after, b.kind, b.name ORDER BY b.lot) AS nth_of_change
  FROM by_image b JOIN composed_corpora c ON c.corpus = b.corpus
  WHERE c.per_image = 0 OR b.nth_of_image <= c.per_image)
SELECT b.image, b.corpus, b.split, b.space, b.before, b.after, b.kind, b.name, b.lot
FROM by_change b JOIN composed_corpora c ON c.corpus = b.corpus
WHERE (c.per_change = 0 OR b.nth_of_change <= c.per_change)
  AND (c.per_target = 0 OR b.nth_of_change <= c.per_target * b.targets)
"""


def derive(con: duckdb.DuckDBPyConnection) -> None:
    """Fill the table `chosen` (query image and change) and `states` (which images answer a change).

    Args:
        con: a connection with the views `images`, `image_splits`, `regions`, `rejects` and the tables
            `composed_corpora` (corpus, per_image, per_change, per_target, most_targets) and `merged_classes` (corpus,
            name, class).
    """
    for sql in (_MEMBERS, _ATTRIBUTES, _CATEGORIES, _MAPPED, _AMOUNTS, _STATES, _MOVES, _CHOSEN):
        con.execute(sql)
