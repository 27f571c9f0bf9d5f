"""PatternCom: tables of attributes (colour, shape, …) over the class folders of PatternNet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.readers._images import check_patterns, wrong_layout
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Reject, Scene
from geovec_data.untrusted.images import EXTENSIONS, is_inside

_COLUMNS = 3  # file name, attribute, value


class PatternComOptions(ReaderOptions):
    """Options of the reader `patterncom`."""

    tables: str = Field("PatternCom/*.csv", description="glob of the attribute tables: file name, attribute, value")
    images: str = Field("images", description="folder that holds one folder for each class")
    unlisted: bool = Field(True, description="also read the images that no table names: they are candidates too")


class PatternCom(Reader):
    """Reads ``PatternCom/<attribute>.csv`` (no header: file name, attribute, value) and ``images/<class>/*.jpg``.

    Method: the evaluation published with PatternCom, which pairs a row's image with every other value of the
    attribute that its class has, and calls the images of that class and value right.
    """

    name = "patterncom"
    layout = """\
<root>/
  images/<class>/<class>001.jpg   PatternNet
  PatternCom/color.csv            also context, density, existence, quantity, shape: file name, attribute, value"""
    Options = PatternComOptions
    options: PatternComOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per image, and one per row that cannot be understood; see `Reader.entries`."""
        check_patterns("reader.tables", [self.options.tables])
        check_patterns("reader.images", [self.options.images])
        tables = sorted(self.root.glob(self.options.tables))
        folder = self.root / self.options.images
        if not tables:
            raise wrong_layout(self.root, f"{self.options.tables} in it", self.layout)
        if not folder.is_dir():
            raise wrong_layout(self.root, f"{self.options.images}/ in it", self.layout)
        images = {p.name: p for p in sorted(folder.glob("*/*")) if p.name.lower().endswith(EXTENSIONS)}
        facts: dict[str, list[tuple[str, str]]] = {}
        for table in tables:
            for number, row in enumerate(_rows(table)):
                where = f"{table.relative_to(self.root).as_posix()}#{number}"
                if len(row) < _COLUMNS or not all(cell.strip() for cell in row[:_COLUMNS]) or not is_inside(row[0]):
                    yield Entry(
                        where, (), {"code": "bad_annotation", "detail": f"row {row} is no file name, attribute, value"}
                    )
                elif row[0] not in images:
                    yield Entry(
                        where, (), {"code": "missing_image", "detail": f"no {row[0]} in {self.options.images}/"}
                    )
                else:
                    facts.setdefault(row[0], []).append((row[1].strip().lower(), row[2].strip().lower()))
        for name, path in images.items():
            if name in facts or self.options.unlisted:
                key = path.relative_to(self.root).as_posix()
                yield Entry(key, (key,), {"attributes": sorted(set(facts.get(name, [])))})

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn an image and its rows into a scene; see `Reader.read`."""
        record = entry.payload
        if "code" in record:
            yield Reject(
                corpus=self.corpus,
                path=entry.key,
                stage="read",
                code=record["code"],
                detail=record["detail"],
                level="text",
            )
            return
        yield Scene(
            key=entry.key,
            corpus=self.corpus,
            path=entry.key,
            scene_class=PurePosixPath(entry.key).parent.name.replace("_", " ").lower(),
            attributes=tuple((key, value) for key, value in record["attributes"]),
        )


def _rows(table: Path) -> list[list[str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            return [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table} is no readable CSV: {error}") from error
