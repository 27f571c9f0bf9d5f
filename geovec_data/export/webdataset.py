"""``format=webdataset``: tar shards with a sample an image: the picture, its labels, and the examples about it.

A sample is ``<image id>.<ext>``, ``<image id>.json`` and, where the image has captions, ``<image id>.txt`` with the
first. Members have no owner and no time, so that equal datasets give equal tars. Source: the WebDataset format,
github.com/webdataset/webdataset.
"""

from __future__ import annotations

import io
import json
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

from geovec_data.export.folder import extension
from geovec_data.export.hf import image_ids, image_rows, item
from geovec_data.export.job import Job


def write(job: Job) -> None:
    """Write ``<split>-000000.tar`` and so on, a shard for every `rows_per_shard` images."""
    for split in job.config.splits:
        ids = image_ids(job, split)
        size = job.config.rows_per_shard
        for number, start in enumerate(range(0, len(ids), size)):
            part = ids[start : start + size]
            job.folder.put(f"{split}-{number:06d}.tar", partial(_shard, job, split, part))
        job.counts[f"images/{split}"] = len(ids)
    for span in job.spans:
        job.counts[f"{span.task}/{span.split}"] += span.rows
        job.advance(span.rows)


def _shard(job: Job, split: str, ids: list[str], path: Path) -> None:
    examples = _examples(job, split, ids)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for row in image_rows(job, ids):
            image = row["id"]
            data = row.pop("image")["bytes"]
            record = {**row, "split": split, "examples": examples.get(image, [])}
            _add(tar, f"{image}.{extension(job.formats[image])}", data)
            _add(tar, f"{image}.json", json.dumps(record, ensure_ascii=False).encode())
            if row["captions"]:
                _add(tar, f"{image}.txt", row["captions"][0].encode())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _examples(job: Job, split: str, ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the examples about each image, as its record holds them."""
    wanted = sorted({s.task for s in job.spans if s.split == split})
    rows = job.examples.connection.execute(
        "SELECT e.image, e.id, e.task, e.query, list(q.item ORDER BY q.item) FROM example_splits e"
        " JOIN qrels q ON q.example = e.id WHERE e.split = ? AND e.task IN (SELECT unnest(?))"
        " AND e.image IN (SELECT unnest(?)) GROUP BY ALL ORDER BY e.image, e.id",
        [split, wanted, ids],
    ).fetchall()
    out: dict[str, list[dict[str, Any]]] = {}
    for image, example, task, query, positives in rows:
        out.setdefault(image, []).append(
            {
                "id": example,
                "task": task,
                "instruction": job.dataset.instruction(f"{task}/0"),
                "query": item(job, query),
                "positives": [item(job, p) for p in positives],
            }
        )
    return out
