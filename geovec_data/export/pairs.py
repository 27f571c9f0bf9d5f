"""``format=sentence-transformers``: datasets that `SentenceTransformerTrainer` takes, and what its miner would return.

One configuration a task (two where its sides come in two kinds). A side with a text alone is a string, an image alone a
picture, both a dictionary of ``text`` and ``image`` in the order they are given to the model: the inputs that
sentence-transformers turns into messages. Forms and column names are those of ``mine_hard_negatives``: triplet
(``anchor, positive, negative``), n-tuple (``negative_1 …``), labeled-pair (``anchor, document, label``), labeled-list
(``anchor, documents, labels``); ``scores=true`` adds ``scores`` or takes the labels' place, as there. The positive's
score is that of the example's least similar positive. Examples short of negatives are left out and counted, not padded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any

from geovec_data.errors import UserError
from geovec_data.export.flat import Side, TwoImages
from geovec_data.export.folder import extension, write_text
from geovec_data.export.job import Job
from geovec_data.export.parquet import card, picture, write_rows
from geovec_data.export.rows import Row, Span

Shape = str  # "text", "image", "text+image" or "image+text": what a side is made of, in order
SHORT = "fewer negatives than negatives_per_example"


def write(job: Job) -> None:
    """Write ``<task>/<split>-….parquet`` and a card.

    Raises:
        UserError: when the form needs negatives and there are none.
    """
    if job.config.form != "pair" and not job.has_negatives:
        raise UserError(
            f"form={job.config.form} needs mined negatives: give negatives=<run>, or form=pair. To mine:"
            f" geovec-data mine dataset={job.config.dataset} encoder=…"
        )
    configs: dict[str, dict[str, str]] = {}
    for span in job.spans:
        for shapes, rows in sorted(_by_shape(job, span).items()):
            name = f"{span.task}.{shapes[0]}-{shapes[1]}" if job.examples.kinds(span.task) > 1 else span.task
            features = _features(job, shapes)
            made = [r for row in rows for r in _formed(job, *row)]
            if made:
                job.folder.put(f"{name}/{span.name}.parquet", partial(write_rows, features, _stored(job, made)))
                configs.setdefault(name, {})[span.split] = f"{name}/{span.split}-*.parquet"
            job.counts[f"{name}/{span.split}"] += len(made)
        job.advance(span.rows)
    text = [f"Rows for sentence-transformers, form {job.config.form}: `load_dataset(<this folder>, <configuration>)`."]
    licences = [s.licence for s in job.dataset.manifest.sources]
    job.folder.put("README.md", partial(write_text, card(job.config.dataset.name, text, configs, licences)))


Scored = tuple[Side, float]
Sides = tuple[Row, Side, list[Side], list[Scored]]


def _by_shape(job: Job, span: Span) -> dict[tuple[Shape, Shape], list[Sides]]:
    """Group a shard's examples by what their sides are made of: a column holds one kind alone."""
    groups: dict[tuple[Shape, Shape], list[Sides]] = defaultdict(list)
    for row in job.examples.rows(span):
        try:
            query = job.flat.query(row.task, row.query)
            positives = [job.flat.target(p) for p in row.positives]
            negatives = [(job.flat.target(n), s) for n, s in zip(row.negatives, row.scores, strict=True)]
        except TwoImages:
            job.left_out["two images in one item"] += 1
            continue
        for shape in sorted({_shape(p) for p in positives}):
            alike = [p for p in positives if _shape(p) == shape]
            groups[_shape(query), shape].append(
                (row, query, alike, [(n, s) for n, s in negatives if _shape(n) == shape])
            )
    return groups


def _shape(side: Side) -> Shape:
    if side.image is None:
        return "text"
    if not side.texts:
        return "image"
    return "text+image" if side.image_at else "image+text"


def _formed(job: Job, row: Row, query: Side, positives: list[Side], mined: list[Scored]) -> Iterator[dict[str, Any]]:
    """Yield an example's rows in the form asked for; sides still as sides."""
    form, most = job.config.form, job.config.negatives_per_example
    negatives, scores = [side for side, _ in mined], [score for _, score in mined]
    if form == "pair":
        yield from ({"anchor": query, "positive": p} for p in positives)
        return
    if len(negatives) < (most if form == "n-tuple" else 1):
        job.left_out[SHORT if negatives else "no mined negatives: mining reads the train split alone"] += 1
        return
    for positive in positives:
        if form == "triplet":
            for negative, score in zip(negatives, scores, strict=True):
                added = {"scores": [row.positive_score, score]} if job.config.scores else {}
                yield {"anchor": query, "positive": positive, "negative": negative} | added
        elif form == "n-tuple":
            numbered = {f"negative_{n}": side for n, side in enumerate(negatives, 1)}
            added = {"scores": [row.positive_score, *scores]} if job.config.scores else {}
            yield {"anchor": query, "positive": positive} | numbered | added
        else:
            yield from _labeled(job, query, [positive, *negatives], [row.positive_score, *scores])


def _labeled(job: Job, query: Side, documents: list[Side], scores: list[float | None]) -> Iterator[dict[str, Any]]:
    labels: list[Any] = scores if job.config.scores else [1, *[0] * (len(documents) - 1)]
    name = "score" if job.config.scores else "label"
    if job.config.form == "labeled-list":
        yield {"anchor": query, "documents": documents, f"{name}s": labels}
    else:
        yield from ({"anchor": query, "document": d, name: value} for d, value in zip(documents, labels, strict=True))


def _features(job: Job, shapes: tuple[Shape, Shape]) -> Any:
    from datasets import Features, List, Value

    anchor, target = (_feature(s) for s in shapes)
    number = Value("float32")
    match job.config.form:
        case "pair":
            columns = {"anchor": anchor, "positive": target}
        case "triplet":
            columns = {"anchor": anchor, "positive": target, "negative": target}
        case "n-tuple":
            numbered = {f"negative_{n}": target for n in range(1, job.config.negatives_per_example + 1)}
            columns = {"anchor": anchor, "positive": target} | numbered
        case "labeled-pair":
            own = {"score": number} if job.config.scores else {"label": Value("int64")}
            return Features({"anchor": anchor, "document": target} | own)
        case _:
            own = {"scores": List(number)} if job.config.scores else {"labels": List(Value("int64"))}
            return Features({"anchor": anchor, "documents": List(target)} | own)
    return Features(columns | ({"scores": List(number)} if job.config.scores else {}))


def _feature(shape: Shape) -> Any:
    from datasets import Image, List, Value

    kinds = {"text": Value("string"), "image": Image()}
    if shape in kinds:
        return kinds[shape]
    return {kind: List(Value("string")) if kind == "text" else Image() for kind in shape.split("+")}


def _stored(job: Job, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Turn sides into what Parquet holds; pictures are read when they are written."""

    def store(value: Any) -> Any:
        if isinstance(value, list):
            return [store(v) for v in value]
        if not isinstance(value, Side):
            return value
        if value.image is None:
            return value.text()
        name = f"{value.image}.{extension(job.formats[value.image])}"
        image = picture(job.dataset.images.get(value.image), name)
        return {"text": list(value.texts), "image": image} if value.texts else image

    yield from ({k: store(v) for k, v in row.items()} for row in rows)
