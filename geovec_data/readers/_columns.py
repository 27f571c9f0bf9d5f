"""Which column of a table says what of a scene; shared by the readers of tables, WebDataset shards and hub datasets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from geovec_data.errors import UserError, suggest
from geovec_data.readers._cells import BadCell, box_ring, number, ring, split_name, tags, text, texts
from geovec_data.readers._names import in_words
from geovec_data.records import Question, Reject, Scene

Row = Mapping[str, Any]


class Columns(BaseModel):
    """Names of columns. ``a|b`` takes the first of them that the file has; ``a?`` may be absent."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    image: str = Field("image", description="path of the image, its encoded bytes, or a struct {bytes, path}")
    name: str = Field("", description="file name of an image whose bytes are in the row; tells its origin")
    captions: tuple[str, ...] = Field((), description="columns with a caption or a list of captions each")
    scene_class: str = Field("", description="class name")
    labels: str = Field("", description="all class names: a list, or text divided by `separator`")
    separator: str = Field(",", min_length=1, description="what divides the labels of a text cell")
    split: str = Field("", description="official split: train, val or test in any usual spelling")
    lon: str = Field("", description="longitude of the image's centre, WGS84 degrees")
    lat: str = Field("", description="latitude of the image's centre, WGS84 degrees")
    box: tuple[str, ...] = Field(
        (), description="four columns, or one with four numbers: west, south, east, north, WGS84 degrees"
    )
    footprint: str = Field("", description="outline as WKT or GeoJSON polygon, WGS84 lon, lat; holes are left out")
    time: str = Field("", description="capture time, kept as the corpus states it")
    gsd: str = Field("", description="ground sample distance in metres per pixel")
    attributes: dict[str, str] = Field({}, description="attribute name → column with its value")
    tags: str = Field("", description="a mapping, or JSON of one, whose pairs become attributes")
    places: dict[str, str] = Field({}, description="level → column with the place's name, widest first")
    question: str = Field("", description="a question about the image")
    answer: str = Field("", description="its answer, or a list of right answers")
    question_kind: str = Field("", description="type of the question; without it all are of kind `question`")
    classes: dict[str, str] = Field({}, description="better names of classes, e.g. {bareland: bare land}")

    def named(self) -> list[str]:
        """Return every column that is asked for, as written here."""
        single = (self.image, self.name, self.scene_class, self.labels, self.split, self.lon, self.lat, self.footprint)
        rest = (self.time, self.gsd, self.tags, self.question, self.answer, self.question_kind)
        many = (*self.captions, *self.box, *self.attributes.values(), *self.places.values())
        return [c for c in (*single, *rest, *many) if c]

    def check(self, found: Iterable[str], where: str) -> None:
        """Compare with the columns of a file.

        Raises:
            UserError: naming the first column that is missing, the nearest one and those found.
        """
        have = list(dict.fromkeys(found))
        for column in self.named():
            if not column.endswith("?") and not set(column.split("|")) & set(have):
                wanted = " or ".join(f"'{c}'" for c in column.split("|"))
                near = suggest(column.split("|")[0], have)
                listed = "" if near.startswith(" Known") else f" Columns found: {', '.join(have)}."
                raise UserError(f"{where} has no column {wanted}.{near}{listed} Name it with reader.columns.…")

    @staticmethod
    def check_paths(named: Iterable[str], found: Iterable[str], where: str) -> None:
        """Compare the columns that `image_paths` names in braces with those of a file.

        Raises:
            UserError: naming the first column that is missing, and those found.
        """
        have = list(dict.fromkeys(found))
        for column in named:
            if column not in have:
                raise UserError(
                    f"{where} has no column '{column}', which reader.image_paths names in braces."
                    f"{suggest(column, ['image', *have])} {{image}} is the column that reader.columns.image names."
                )

    def used(self, found: Iterable[str], extra: Sequence[str] = ()) -> list[str]:
        """Return the columns of a file that are needed, and those named in `extra`, in its order."""
        wanted = {*extra, *(c for column in self.named() for c in column.removesuffix("?").split("|"))}
        return [c for c in dict.fromkeys(found) if c in wanted]

    def scene_fields(self, row: Row) -> dict[str, Any]:
        """Turn a row's cells into fields of a `Scene` (image and name apart).

        Raises:
            BadCell: for a cell that is no number, no known split, no polygon.
        """
        cell = partial(_cell, row)
        lon, lat, footprint = self._place(row)
        gsd = number(cell(self.gsd), self.gsd)
        if gsd is not None and gsd <= 0:
            raise BadCell("bad_coordinate", f"{self.gsd} {gsd} is no ground sample distance in metres")
        return {
            "captions": tuple(t for c in self.captions for t in texts(cell(c), c)),
            "scene_class": self._class_name(text(cell(self.scene_class), self.scene_class)),
            "labels": tuple(filter(None, map(self._class_name, self._labels(cell(self.labels))))),
            "split": split_name(cell(self.split)),
            "lon": lon,
            "lat": lat,
            "footprint": footprint,
            "gsd": gsd,
            "captured": text(cell(self.time), self.time),
            "attributes": (*_pairs(row, self.attributes), *tags(cell(self.tags), self.tags)),
            "places": _pairs(row, self.places),
            "questions": self._questions(row),
        }

    def scene(self, rows: Sequence[Row], corpus: str, key: str, **known: Any) -> Scene | Reject:
        """Make a scene of one row, or of several about one image; a bad cell makes a reject.

        Args:
            rows: of several, texts, labels and questions add up, and the first that states another fact counts.
            corpus: recipe name.
            key: the scene's key, which the reject bears as its path.
            known: fields that the reader knows better; a None leaves what the rows say.
        """
        try:
            fields = joined([self.scene_fields(row) for row in rows])
        except BadCell as bad:
            return Reject(corpus=corpus, path=key, stage="read", code=bad.code, detail=bad.detail)
        fields |= {name: value for name, value in known.items() if value is not None}
        return Scene(corpus=corpus, key=key, **fields)

    def _class_name(self, label: str | None) -> str | None:
        return (self.classes.get(label.strip()) or in_words(label) or None) if label else None

    def _labels(self, value: Any) -> list[str]:
        if isinstance(value, str):
            return value.split(self.separator)
        return texts(value, self.labels)

    def _questions(self, row: Row) -> tuple[Question, ...]:
        question = text(_cell(row, self.question), self.question)
        answers = tuple(a for a in texts(_cell(row, self.answer), self.answer) if a.strip())
        if not question or not answers:
            return ()
        kind = text(_cell(row, self.question_kind), self.question_kind) or "question"
        return (Question(text=question, answers=answers, kind=kind),)

    def _place(self, row: Row) -> tuple[float | None, float | None, tuple[float, ...]]:
        lon, lat = (number(_cell(row, c), c) for c in (self.lon, self.lat))
        outline: tuple[float, ...] = ()
        if self.footprint and (value := _cell(row, self.footprint)) is not None:
            outline = ring(value, self.footprint)
        elif self.box and (sides := _sides(row, self.box)):
            outline = box_ring(*sides)
        if outline and lon is None and lat is None:
            lon, lat = (min(outline[::2]) + max(outline[::2])) / 2, (min(outline[1::2]) + max(outline[1::2])) / 2
        return lon, lat, outline


def joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Join the fields of several rows about one image.

    Raises:
        BadCell: when they state different splits.
    """
    whole = dict(parts[0])
    for part in parts[1:]:
        if part["split"] and whole["split"] and part["split"] != whole["split"]:
            raise BadCell("bad_annotation", f"rows of one image are in the splits {whole['split']} and {part['split']}")
        for name, value in part.items():
            if isinstance(value, tuple) and name != "footprint":
                whole[name] += tuple(v for v in value if v not in whole[name])
            elif whole[name] in (None, ()):
                whole[name] = value
    return whole


def _cell(row: Row, column: str) -> Any:
    """Return the first of a column's names that holds something; None for an empty cell."""
    for name in column.removesuffix("?").split("|"):
        value = row.get(name)
        if value is not None and value != "" and not (isinstance(value, float) and math.isnan(value)):
            return value
    return None


def image_cell(row: Row, columns: Columns) -> Any:
    """Return the image cell of a row, None when it is empty."""
    return _cell(row, columns.image)


def _sides(row: Row, columns: Sequence[str]) -> list[float] | None:
    values: Any = [_cell(row, c) for c in columns]
    if len(columns) == 1:
        values = values[0]
        if isinstance(values, str):
            values = values.strip("()[] ").split(",")
    if values is None or all(v is None for v in values):
        return None
    sides = [number(v, columns[0]) for v in values] if isinstance(values, (list, tuple)) else []
    numbers = [s for s in sides if s is not None]
    if len(numbers) != 4:
        raise BadCell("bad_coordinate", f"{', '.join(columns)}: {values!r} are no four numbers")
    return numbers


def _pairs(row: Row, columns: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = ((name, text(_cell(row, column), column)) for name, column in columns.items())
    return tuple((name, value) for name, value in found if value)
