"""``format=ms-swift``: JSON lines for ms-swift's embedding training, and the images as files.

``messages`` is the anchor; ``positive_messages`` and ``negative_messages`` are lists of messages; ``<image>`` stands
where an image is, and ``images``, ``positive_images``, ``negative_images`` hold their paths, a list a side. Source:
ms-swift's documentation, "Embedding Training", dataset format of the InfoNCE loss.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from geovec_data.export.flat import TwoImages
from geovec_data.export.folder import Pictures, write_text
from geovec_data.export.job import Job
from geovec_data.export.rows import Row, Span

IMAGE = "<image>"


def write(job: Job) -> None:
    """Write ``<split>/<task>-….jsonl`` and ``images/``; paths are relative to the export."""
    pictures = Pictures(job.folder, job.dataset.images.get, job.formats)
    for span in job.spans:
        lines = list(_lines(job, span, pictures))
        name = f"{span.split}/{span.task}-{span.number:05d}.jsonl"
        job.folder.put(name, partial(write_text, "".join(lines)))
        job.counts[f"{span.task}/{span.split}"] += len(lines)
        job.advance(span.rows)


def _lines(job: Job, span: Span, pictures: Pictures) -> Iterator[str]:
    for row in job.examples.rows(span):
        try:
            yield json.dumps(_record(job, row, pictures), ensure_ascii=False) + "\n"
        except TwoImages:
            job.left_out["two images in one item"] += 1


def _record(job: Job, row: Row, pictures: Pictures) -> dict[str, Any]:
    record: dict[str, Any] = {}
    sides = {
        "": [job.flat.query(row.task, row.query)],
        "positive_": [job.flat.target(p) for p in row.positives],
        "negative_": [job.flat.target(n) for n in row.negatives],
    }
    for name, found in sides.items():
        if not found:
            continue
        messages = [[{"role": "user", "content": side.text(IMAGE)}] for side in found]
        images = [[] if side.image is None else [pictures.path(side.image)] for side in found]
        record[f"{name}messages"] = messages if name else messages[0]
        if any(images):
            record[f"{name}images"] = images if name else images[0]
    return record
