"""``format=ids``: query, positive and negative ids with scores, and every item's segments: for other tools' loaders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from geovec_data.dataset import as_segments
from geovec_data.export.job import Job
from geovec_data.export.rows import Span

SCHEMA = pa.schema(
    [
        ("example", pa.string()),
        ("task", pa.string()),
        ("corpus", pa.string()),
        ("query", pa.string()),
        ("positives", pa.list_(pa.string())),
        ("negatives", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float32())),
        ("positive_score", pa.float32()),
    ]
)


def write(job: Job) -> None:
    """Write ``<split>/<task>-….parquet`` of ids and ``items.jsonl``, one item a line."""
    for span in job.spans:
        job.folder.put(f"{span.split}/{span.task}-{span.number:05d}.parquet", partial(_shard, job, span))
        job.counts[f"{span.task}/{span.split}"] += span.rows
        job.advance(span.rows)
    job.folder.put("items.jsonl", partial(_items, job))


def _shard(job: Job, span: Span, path: Path) -> None:
    rows = [
        {
            "example": r.id,
            "task": r.task,
            "corpus": r.corpus,
            "query": r.query,
            "positives": list(r.positives),
            "negatives": list(r.negatives),
            "scores": list(r.scores),
            "positive_score": r.positive_score,
        }
        for r in job.examples.rows(span)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path, compression="zstd")


def _items(job: Job, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for line in _lines(job):
            file.write(line + "\n")


def _lines(job: Job) -> Iterator[str]:
    for batch in job.dataset.scan("items", ["id", "segments"]):
        for row in batch.to_pylist():
            segments = [_plain(asdict(s)) for s in as_segments(row["segments"])]
            yield json.dumps({"id": row["id"], "segments": segments}, ensure_ascii=False)


def _plain(segment: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in segment.items() if v is not None}
