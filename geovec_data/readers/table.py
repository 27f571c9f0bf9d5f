"""Tables of images and facts: CSV, TSV, JSON lines, JSON and Parquet, with the columns named in the recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.readers import _parquet
from geovec_data.readers._columns import Columns, image_cell
from geovec_data.readers._embedded import embedded_scene
from geovec_data.readers._images import check_patterns, wrong_layout
from geovec_data.readers._rows import TEXT_TABLES, Numbered, TextFormat, rows
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Reject, Scene
from geovec_data.untrusted.images import BadImage, confine, is_inside

_FIELD = re.compile(r"\{([^{}]+)\}")


class TableOptions(ReaderOptions):
    """Options of the reader `table`."""

    files: tuple[str, ...] = Field(
        ("*.parquet", "*.csv", "*.tsv", "*.jsonl", "data/*.parquet"), description="globs of the table files"
    )
    columns: Columns = Field(Columns(), description="which column says what")
    file_splits: dict[str, str] = Field({}, description="official split by file: split → glob of the file's name")
    image_paths: tuple[str, ...] = Field(
        ("{image}",),
        description="where an image is: {image} and other columns in braces; the first that exists counts",
    )
    merge: bool = Field(False, description="rows about one image are one scene; else a second row is refused")
    encoding: str = Field("utf-8", description="of text tables; a byte order mark outranks it")
    delimiter: str = Field("", max_length=1, description="of CSV; empty: comma, or tab in a .tsv")
    records: str = Field("", description="key of a JSON object that holds the rows; *: each of its keys holds some")
    group: str = Field("", description="with records=*: the column that takes the key")


class Table(Reader):
    """Reads a row as a scene, with its image in a file or in the row.

    Rows that name image files are listed one by one, so that a changed image or row redoes its own unit only. Rows of
    Parquet that hold the images (bytes, or the struct {bytes, path} of Hugging Face `datasets`) are listed by row group
    and streamed; their class numbers are read as the names that `datasets` notes in the file.
    """

    name = "table"
    layout = """\
<root>/
  *.parquet, data/*.parquet      rows with the images inside, or with the names of image files
  *.csv, *.tsv, *.jsonl, *.json  rows with the names of image files; reader.files and reader.columns say which"""
    Options = TableOptions
    options: TableOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per row that names an image, or per row group that holds images; see `Reader.entries`."""
        check_patterns("reader.files", self.options.files)
        files = sorted({p for glob in self.options.files for p in self.root.glob(glob) if p.is_file()})
        if not files:
            raise wrong_layout(self.root, f"{' or '.join(self.options.files)} in it", self.layout)
        seen: set[str] = set()
        merged: dict[str, list[Any]] = {}
        for file in files:
            where = file.relative_to(self.root).as_posix()
            try:
                confine(self.root, where)
            except BadImage as bad:
                yield _refused(where, bad.code, bad.detail)
                continue
            if file.suffix.lower() == ".parquet":
                try:
                    table = _parquet.opened(file)
                except _parquet.BrokenTable as error:
                    yield _refused(where, "bad_annotation", str(error))
                    continue
                self.options.columns.check(table.schema_arrow.names, str(file))
                if _parquet.image_column(table.schema_arrow, self.options.columns):
                    yield from self._groups(where, file, table.num_row_groups)
                    continue
                self.options.columns.check_paths(self._template_columns(), table.schema_arrow.names, str(file))
                stream: Iterator[Numbered] = _parquet.stream(
                    table, self.options.columns, None, self._template_columns()
                )
            elif file.suffix.lower() in TEXT_TABLES:
                stream = self._text_rows(file)
            else:
                raise UserError(f"{file} is no table that can be read; known: .parquet, {', '.join(TEXT_TABLES)}")
            yield from self._named(where, stream, seen, merged)
        for path, lines in merged.items():
            yield Entry(path, self.image_files(path), {"rows": lines})

    def image_files(self, path: str) -> tuple[str, ...]:
        """Return the files that an image's scene is read from; none for a path out of the root."""
        return (path,) if is_inside(path) else ()

    def _text_rows(self, file: Path) -> Iterator[Numbered]:
        o = self.options
        form = TextFormat(o.encoding, o.delimiter, o.records, o.group)
        return rows(file, form, o.columns, self._template_columns())

    def _template_columns(self) -> list[str]:
        return [name for template in self.options.image_paths for name in _FIELD.findall(template) if name != "image"]

    def _groups(self, where: str, file: Path, count: int) -> Iterator[Entry]:
        stat = file.stat()
        for group in range(count):
            # no file is listed: it would be hashed for each of its groups; its size and time stand for it
            yield Entry(f"{where}#{group:05d}", (), {"file": where, "group": group, "stat": _stamp(stat)})

    def _named(
        self, where: str, stream: Iterator[Numbered], seen: set[str], merged: dict[str, list[Any]]
    ) -> Iterator[Entry]:
        split = self._file_split(where)
        try:
            for number, row in stream:
                at = f"{where}#{number}"
                path = row if isinstance(row, str) else self._image_path(row)
                if isinstance(row, str) or path is None:
                    yield _refused(at, "bad_annotation", path or f"no image in column {self.options.columns.image}")
                elif self.options.merge:
                    merged.setdefault(path, []).append([split, row])
                elif path in seen:
                    yield _refused(at, "duplicate_key", f"a second row for {path}; reader.merge=true joins them")
                else:
                    seen.add(path)
                    yield Entry(path, self.image_files(path), {"rows": [[split, row]]})
        except _parquet.BrokenTable as error:
            yield _refused(where, "bad_annotation", str(error))

    def _file_split(self, where: str) -> str | None:
        for split, glob in self.options.file_splits.items():
            if PurePosixPath(where).match(glob):
                return split
        return None

    def _image_path(self, row: dict[str, Any]) -> str | None:
        """Return the source-relative path of a row's image: where it is, else where it should be; None without one."""
        cell = image_cell(row, self.options.columns)
        if not isinstance(cell, str) or not cell.strip():
            return None
        values = {k: str(v) for k, v in row.items()} | {"image": cell.strip().replace("\\", "/").removeprefix("./")}
        written = [_FIELD.sub(lambda m: values.get(m[1], ""), template) for template in self.options.image_paths]
        found = [PurePosixPath(w).as_posix() for w in written]
        return next((p for p in found if len(found) > 1 and is_inside(p) and (self.root / p).is_file()), found[0])

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn rows into scenes; see `Reader.read`."""
        known = entry.payload
        if "code" in known:
            yield Reject(corpus=self.corpus, path=entry.key, stage="read", code=known["code"], detail=known["detail"])
        elif "group" in known:
            yield from self._embedded(entry)
        else:
            yield self._scene(entry.key, known["rows"])

    def _scene(self, path: str, lines: list[Any]) -> Scene | Reject:
        splits = {split for split, _ in lines if split}
        if len(splits) > 1:
            detail = f"{path} stands in files of the splits {', '.join(sorted(splits))}"
            return Reject(corpus=self.corpus, path=path, stage="read", code="bad_annotation", detail=detail)
        rows_ = [row for _, row in lines]
        return self.options.columns.scene(rows_, self.corpus, path, path=path, split=next(iter(splits), None))

    def _embedded(self, entry: Entry) -> Iterator[Scene | Reject]:
        where, columns = entry.payload["file"], self.options.columns
        try:
            for number, row in _parquet.stream(_parquet.opened(self.root / where), columns, [entry.payload["group"]]):
                yield embedded_scene(row, columns, self.corpus, f"{where}/{number:07d}", self._file_split(where))
        except _parquet.BrokenTable as error:
            yield Reject(corpus=self.corpus, path=entry.key, stage="read", code="bad_annotation", detail=str(error))


def _refused(key: str, code: str, detail: str) -> Entry:
    return Entry(key, (), {"code": code, "detail": detail})


def _stamp(stat: Any) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns]
