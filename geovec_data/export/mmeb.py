"""``format=mmeb``: one folder a task with the columns of MMEB-train, and the images as files.

Columns ``qry, qry_image_path, pos_text, pos_image_path, neg_text, neg_image_path``; ``<|image_1|>`` stands where the
image is, paths are relative to the export (VLM2Vec's ``image_dir``), an absent image is an empty path. With one
negative an example the negative columns are plain strings, as in TIGER-Lab/MMEB-train; with more they are lists, as
VLM2Vec's ``mmeb_neg`` loader reads them. Source: github.com/TIGER-AI-Lab/VLM2Vec, src/data/dataset/mmeb_dataset.py and
mmeb_neg_dataset.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from geovec_data.export.flat import Side, TwoImages
from geovec_data.export.folder import Pictures, write_text
from geovec_data.export.job import Job
from geovec_data.export.parquet import card, write_rows
from geovec_data.export.rows import Span

IMAGE = "<|image_1|>"


def write(job: Job) -> None:
    """Write ``<task>/<split>-….parquet``, ``images/`` and a card."""
    pictures = Pictures(job.folder, job.dataset.images.get, job.formats)
    features = _features(job)
    configs: dict[str, dict[str, str]] = {}
    for span in job.spans:
        rows = list(_rows(job, span, pictures))
        job.folder.put(f"{span.task}/{span.name}.parquet", partial(write_rows, features, rows))
        configs.setdefault(span.task, {})[span.split] = f"{span.task}/{span.split}-*.parquet"
        job.counts[f"{span.task}/{span.split}"] += len(rows)
        job.advance(span.rows)
    text = [
        "An export of a GeoVec dataset with the columns of MMEB: a subset a task. Image paths are relative to this"
        " folder (`image_dir`)."
    ]
    licences = [s.licence for s in job.dataset.manifest.sources]
    job.folder.put("README.md", partial(write_text, card(job.config.dataset.name, text, configs, licences)))


def _features(job: Job) -> Any:
    from datasets import Features, List, Value

    text = Value("string")
    columns: dict[str, Any] = dict.fromkeys(("qry", "qry_image_path", "pos_text", "pos_image_path"), text)
    if job.has_negatives:
        negative = text if job.config.negatives_per_example == 1 else List(text)
        columns |= {"neg_text": negative, "neg_image_path": negative}
    return Features(columns)


def _rows(job: Job, span: Span, pictures: Pictures) -> Iterator[dict[str, Any]]:
    """Yield a row for each positive of each example; an item with two images has no place in these columns."""
    for row in job.examples.rows(span):
        try:
            query = job.flat.query(row.task, row.query)
            positives = [job.flat.target(p) for p in row.positives]
            negatives = [job.flat.target(n) for n in row.negatives]
        except TwoImages:
            job.left_out["two images in one item"] += 1
            continue
        for positive in positives:
            out: dict[str, Any] = {
                "qry": query.text(IMAGE),
                "qry_image_path": _path(query, pictures),
                "pos_text": positive.text(IMAGE),
                "pos_image_path": _path(positive, pictures),
            }
            if job.has_negatives:
                texts, paths = [n.text(IMAGE) for n in negatives], [_path(n, pictures) for n in negatives]
                single = job.config.negatives_per_example == 1
                out |= {
                    "neg_text": (texts[0] if texts else "") if single else texts,
                    "neg_image_path": (paths[0] if paths else "") if single else paths,
                }
            yield out


def _path(side: Side, pictures: Pictures) -> str:
    return "" if side.image is None else pictures.path(side.image)
