"""``format=hf``: a folder that `datasets.load_dataset` opens: ``images`` with their labels and boxes, and ``examples``.

``images`` has one row an image: the picture, captions, class, position and ``objects`` (boxes as ``x0, y0, x1, y1`` in
pixels). ``examples`` refers to images by id: queries, positives and negatives are lists of segments, as in `items`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from geovec_data.export.folder import extension, write_text
from geovec_data.export.job import Job
from geovec_data.export.parquet import card, picture, write_rows
from geovec_data.export.rows import Span

COLUMNS = "corpus, key, width, height, captions, scene_class, labels, lon, lat, gsd, captured, licence, attribution"


def write(job: Job) -> None:
    """Write ``images/<split>-….parquet``, ``examples/<split>/<task>-….parquet`` and a card."""
    images, examples = _image_features(), _example_features()
    configs: dict[str, dict[str, str]] = {"images": {}, "examples": {}}
    for split in job.config.splits:
        ids = image_ids(job, split)
        size = job.config.rows_per_shard
        of = -(-len(ids) // size)
        for number in range(of):
            part = ids[number * size : (number + 1) * size]
            job.folder.put(
                f"images/{split}-{number:05d}-of-{of:05d}.parquet",
                partial(write_rows, images, image_rows(job, part)),
            )
        if ids:
            configs["images"][split] = f"images/{split}-*.parquet"
            job.counts[f"images/{split}"] = len(ids)
    for span in job.spans:
        job.folder.put(
            f"examples/{span.split}/{span.task}-{span.number:05d}-of-{span.of:05d}.parquet",
            partial(write_rows, examples, _example_rows(job, span)),
        )
        configs["examples"][span.split] = f"examples/{span.split}/*.parquet"
        job.counts[f"examples/{span.split}"] += span.rows
        job.advance(span.rows)
    text = [
        "An export of a GeoVec dataset. `images`: one row an image, boxes are float pixels x0, y0, x1, y1 (origin"
        " top-left, half-open), coordinates WGS84. `examples`: queries, positives and mined negatives as lists of"
        " segments; images by id.",
        "",
        *(f"- **{s.title}**: {s.licence}. Credit: {s.attribution}" for s in job.dataset.manifest.sources),
    ]
    licences = [s.licence for s in job.dataset.manifest.sources]
    kept = {name: files for name, files in configs.items() if files}
    job.folder.put("README.md", partial(write_text, card(job.config.dataset.name, text, kept, licences)))


def _image_features() -> Any:
    from datasets import Features, Image, List, Value

    text, number, whole = Value("string"), Value("float64"), Value("int32")
    return Features(
        {
            "id": text,
            "image": Image(),
            "corpus": text,
            "key": text,
            "width": whole,
            "height": whole,
            "captions": List(text),
            "scene_class": text,
            "labels": List(text),
            "lon": number,
            "lat": number,
            "gsd": number,
            "captured": text,
            "licence": text,
            "attribution": text,
            "objects": List({"id": text, "bbox": List(number, length=4), "category": text, "expressions": List(text)}),
        }
    )


def _example_features() -> Any:
    from datasets import Features, List, Value

    text, number = Value("string"), Value("float64")
    segment = {
        "kind": text,
        "text": text,
        "image": text,
        "box": List(number, length=4),
        "lon": number,
        "lat": number,
    }
    item = {"id": text, "segments": List(segment)}
    return Features(
        {
            "id": text,
            "task": text,
            "corpus": text,
            "instruction": text,
            "image": text,
            "query": item,
            "positives": List(item),
            "negatives": List(item),
            "negative_scores": List(Value("float32")),
        }
    )


def image_ids(job: Job, split: str) -> list[str]:
    """Return the ids of the images of a split, sorted."""
    rows = job.examples.connection.execute(
        "SELECT DISTINCT image FROM image_splits WHERE split = ? ORDER BY image", [split]
    ).fetchall()
    return [r[0] for r in rows]


def image_rows(job: Job, ids: list[str]) -> Iterator[dict[str, Any]]:
    """Yield images with their labels; `image` holds the encoded picture as `datasets` stores it."""
    con = job.examples.connection
    facts = con.execute(f"SELECT id, {COLUMNS} FROM images WHERE id IN (SELECT unnest(?))", [ids])
    names = [c[0] for c in facts.description or ()]
    rows = {r[0]: dict(zip(names, r, strict=True)) for r in facts.fetchall()}
    objects: dict[str, list[dict[str, Any]]] = {i: [] for i in ids}
    for rid, image, box, category, expressions in con.execute(
        "SELECT id, image, box, category, expressions FROM regions WHERE image IN (SELECT unnest(?)) ORDER BY id", [ids]
    ).fetchall():
        corners = [box["x0"], box["y0"], box["x1"], box["y1"]]
        objects[image].append({"id": rid, "bbox": corners, "category": category, "expressions": expressions})
    for image in ids:
        name = f"{image}.{extension(job.formats[image])}"
        yield {**rows[image], "image": picture(job.dataset.images.get(image), name), "objects": objects[image]}


def _example_rows(job: Job, span: Span) -> Iterator[dict[str, Any]]:
    for row in job.examples.rows(span):
        yield {
            "id": row.id,
            "task": row.task,
            "corpus": row.corpus,
            "instruction": job.dataset.instruction(f"{row.task}/0"),
            "image": row.image,
            "query": item(job, row.query),
            "positives": [item(job, p) for p in row.positives],
            "negatives": [item(job, n) for n in row.negatives],
            "negative_scores": list(row.scores),
        }


def item(job: Job, name: str) -> dict[str, Any]:
    """Return an item as a dictionary; boxes as four numbers."""
    segments = [
        {"kind": s.kind, "text": s.text, "image": s.image, "box": s.box and list(s.box), "lon": s.lon, "lat": s.lat}
        for s in job.dataset.items.segments(name)
    ]
    return {"id": name, "segments": segments}
