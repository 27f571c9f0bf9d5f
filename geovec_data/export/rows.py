"""The examples of a dataset in a fixed order, with their positives and mined negatives, a shard at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from geovec_data.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Row:
    """One example; items by id.

    Attributes:
        id: example id.
        task: task name.
        corpus: recipe name.
        query: query item.
        image: the scene's image id.
        positives: item ids, sorted.
        negatives: item ids, hardest first; empty outside train or without a mining run.
        scores: the score of each negative (cosine similarity).
        positive_score: the score of the least similar positive, None without negatives.
    """

    id: str
    task: str
    corpus: str
    query: str
    image: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...]
    scores: tuple[float, ...]
    positive_score: float | None


@dataclass(frozen=True, slots=True)
class Span:
    """The examples of one shard: `rows` of one task and split from the `start`-th on, in order of image and id."""

    task: str
    split: str
    number: int
    of: int
    start: int
    rows: int

    @property
    def name(self) -> str:
        """Return ``<split>-00000-of-00003``, as hub repositories name their shards."""
        return f"{self.split}-{self.number:05d}-of-{self.of:05d}"


class Examples:
    """Reads examples in order of their ids, shard by shard.

    Args:
        dataset: the dataset.
        run: folder of a mining run, or None.
        most: the most negatives of an example.
    """

    def __init__(self, dataset: Dataset, run: Path | None, most: int) -> None:
        self.connection = dataset.connect()
        self._most = most
        if run is None:
            self.connection.execute(
                "CREATE TABLE mined (example VARCHAR, item VARCHAR, rank INTEGER, score FLOAT, positive_score FLOAT)"
            )
        else:
            file = str(run / "negatives.parquet").replace("'", "''")
            self.connection.execute(f"CREATE VIEW mined AS SELECT * FROM read_parquet('{file}')")

    def spans(self, task: str, split: str, size: int) -> list[Span]:
        """Cut the examples of a task and split into shards of `size` rows."""
        found = self.connection.execute(
            "SELECT count(*) FROM example_splits WHERE task = ? AND split = ?", [task, split]
        ).fetchone()
        count = found[0] if found else 0
        starts = range(0, count, size)
        return [Span(task, split, n, len(starts), at, min(size, count - at)) for n, at in enumerate(starts)]

    def kinds(self, task: str) -> int:
        """Count the pairs of modalities that the queries and positives of a task have."""
        found = self.connection.execute(
            "SELECT count(*) FROM (SELECT DISTINCT q.modality, p.modality FROM examples e"
            " JOIN items q ON q.id = e.query JOIN qrels r ON r.example = e.id JOIN items p ON p.id = r.item"
            " WHERE e.task = ?)",
            [task],
        ).fetchone()
        return int(found[0]) if found else 0

    def rows(self, span: Span) -> Iterator[Row]:
        """Yield the rows of a shard, ordered by image and example id: rows that share a picture are neighbours."""
        found = self.connection.execute(
            "WITH e AS (SELECT id, task, corpus, query, image FROM example_splits"
            "  WHERE task = $task AND split = $split"
            "  ORDER BY image, id LIMIT $rows OFFSET $start),"
            " p AS (SELECT example, list(item ORDER BY item) AS items FROM qrels SEMI JOIN e ON e.id = qrels.example"
            "  GROUP BY example),"
            " n AS (SELECT example, list(item ORDER BY rank, item)[:$most] AS items,"
            "  list(score ORDER BY rank, item)[:$most] AS scores, min(positive_score) AS positive"
            "  FROM mined SEMI JOIN e ON e.id = mined.example GROUP BY example)"
            " SELECT e.*, p.items, n.items, n.scores, n.positive FROM e JOIN p ON p.example = e.id"
            " LEFT JOIN n ON n.example = e.id ORDER BY e.image, e.id",
            {"task": span.task, "split": span.split, "rows": span.rows, "start": span.start, "most": self._most},
        ).fetchall()
        for eid, task, corpus, query, image, positives, negatives, scores, positive in found:
            yield Row(
                eid, task, corpus, query, image, tuple(positives), tuple(negatives or ()), tuple(scores or ()), positive
            )
