"""Write the compositions of a build as further shards of `items`, `examples`, `qrels` and `splits`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from geovec_data import ids
from geovec_data.build.rows import Columns, segment_rows
from geovec_data.compositions.derive import derive
from geovec_data.compositions.options import ComposeOptions
from geovec_data.compositions.phrases import Change, phrase
from geovec_data.compositions.proof import prove
from geovec_data.records import Segment
from geovec_data.store.manifest import Shard
from geovec_data.store.sql import BATCH_ROWS, stream, view
from geovec_data.store.writer import write_stream
from geovec_data.tasks.composed import ComposedToImage

if TYPE_CHECKING:
    import duckdb

TASK = ComposedToImage.name
COMPOSED = ".composed"  # folder of what is worded; it goes when the dataset is in place
TABLES = ("items", "examples", "qrels", "splits")

_COMPOSED = pa.schema(
    [
        *((n, pa.string()) for n in ("example", "query", "instruction", "image", "scene_key", "corpus")),
        *((n, pa.string()) for n in ("split", "space", "after", "text")),
    ]
)
_EXAMPLES = f"""
SELECT DISTINCT c.example AS id, '{TASK}' AS task, c.corpus, c.instruction, c.query, c.image, NULL AS region,
  'split' AS scope, NULL AS pool_key, NULL AS class_key, NULL AS caption_key, c.scene_key, NULL AS official_split
FROM composed c ORDER BY id
"""
# the query's own image is never right, whatever its labels say
_QRELS = f"""
SELECT DISTINCT c.example, p.item
FROM composed c
JOIN states t ON t.corpus = c.corpus AND t.split = c.split AND t.space = c.space AND t.state = c.after
JOIN pool p ON p.task = '{TASK}' AND p.image = t.image
WHERE t.image <> c.image ORDER BY c.example, p.item
"""
_SPLITS = """
SELECT DISTINCT c.example, s.split, s.reason FROM composed c JOIN image_splits s ON s.image = c.image ORDER BY c.example
"""


def compose(
    con: duckdb.DuckDBPyConnection, fresh: Path, shards: list[Shard], options: Mapping[str, ComposeOptions]
) -> list[Shard]:
    """Derive, word, prove and write the compositions of some corpora.

    Args:
        con: a connection with views of all build tables, the split decided.
        fresh: folder of the dataset being written.
        shards: the shards so far.
        options: corpus → its options; no corpus, no work.

    Returns:
        The new shards. The views of the tables show them too.

    Raises:
        DataFault: when the labels do not bear a composition out, which is a fault of this package.
    """
    if not options:
        return []
    _tell(con, options)
    derive(con)
    _word(con, fresh / COMPOSED, options)
    new: list[Shard] = []
    for table, rows in (
        ("items", _items(con)),
        ("examples", stream(con, _EXAMPLES, "examples")),
        ("qrels", stream(con, _QRELS, "qrels")),
        ("splits", stream(con, _SPLITS, "splits")),
    ):
        before = sum(s.table == table for s in shards)
        new += write_stream(fresh, table, rows, first=before)
    for table in TABLES:
        con.execute(f"DROP VIEW {table}")
        view(con, fresh, shards + new, table)
    prove(con, TASK)
    return new


def _tell(con: duckdb.DuckDBPyConnection, options: Mapping[str, ComposeOptions]) -> None:
    con.execute(
        "CREATE TEMP TABLE composed_corpora"
        " (corpus VARCHAR, per_image BIGINT, per_change BIGINT, per_target BIGINT, most_targets BIGINT);"
        "CREATE TEMP TABLE merged_classes (corpus VARCHAR, name VARCHAR, class VARCHAR)"
    )
    for corpus, o in sorted(options.items()):
        limits = [corpus, o.per_image, o.per_change, o.per_target, o.most_targets]
        con.execute("INSERT INTO composed_corpora VALUES (?, ?, ?, ?, ?)", limits)
        for name, merged in sorted(o.merge.items()):
            con.execute("INSERT INTO merged_classes VALUES (?, ?, ?)", [corpus, name, merged])


def _word(con: duckdb.DuckDBPyConnection, folder: Path, options: Mapping[str, ComposeOptions]) -> None:
    """Word every chosen change and give it ids: the rows of `composed`, kept on disk."""
    import pyarrow.dataset as ds

    file = folder / "composed.arrow"
    folder.mkdir()
    sql = "SELECT c.*, i.origin FROM chosen c JOIN images i ON i.id = c.image ORDER BY c.image, c.lot"
    reader = con.sql(sql).to_arrow_reader(BATCH_ROWS)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, _COMPOSED) as writer:
        for batch in reader:
            rows = [_worded(row, options[row["corpus"]]) for row in batch.to_pylist()]
            writer.write_table(pa.Table.from_pylist(rows, schema=_COMPOSED))
    con.register("composed", ds.dataset([str(file)], schema=_COMPOSED, format="ipc"))


def _worded(row: dict[str, Any], options: ComposeOptions) -> dict[str, str]:
    kind = row["kind"]
    values = (row["before"], row["after"]) if kind in ("attribute", "amount") else ("", "")
    text = phrase(Change(kind, row["name"], *values), int(row["lot"][:8], 16), plain=options.phrasing == "plain")
    query = ids.item_id((Segment.of_image(row["image"]), Segment.of_text(text)))
    example = ids.digest("example", TASK, row["corpus"], query, row["image"], None)
    variant = int(example[:8], 16) % len(ComposedToImage.instructions)
    return {
        "example": example,
        "query": query,
        "instruction": f"{TASK}/{variant}",
        "image": row["image"],
        "scene_key": ids.digest("scene", row["origin"]),
        "corpus": row["corpus"],
        "split": row["split"],
        "space": row["space"],
        "after": row["after"],
        "text": text,
    }


def _items(con: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    """The query items; those that another task has already are left out."""
    sql = "SELECT DISTINCT query, image, text FROM composed WHERE query NOT IN (SELECT id FROM items) ORDER BY query"
    for batch in con.sql(sql).to_arrow_reader(BATCH_ROWS):
        columns = Columns("items")
        for row in batch.to_pylist():
            segments = (Segment.of_image(row["image"]), Segment.of_text(row["text"]))
            columns.add(
                row["query"], segment_rows(segments), "image+text", row["image"], None, ids.text_key(row["text"])
            )
        yield from columns.take().to_batches()
