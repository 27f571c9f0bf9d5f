"""Rows of a text table, one after the other: CSV, TSV, JSON lines, JSON; a row that is broken is told, not raised."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from geovec_data.errors import UserError
from geovec_data.readers._columns import Columns

TEXT_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_LOOK = 100  # records of a JSON file whose keys are compared with the columns asked for


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How text tables are written.

    Attributes:
        encoding: of the file; a byte order mark outranks it.
        delimiter: of CSV; empty: comma, or tab in a .tsv.
        records: key of a JSON object that holds the list of rows; ``*``: each of its keys holds one.
        group: column that takes the key under which a row stands, with records ``*``.
    """

    encoding: str = "utf-8"
    delimiter: str = ""
    records: str = ""
    group: str = ""


class _Fault(str):
    """Words that stand in a row's place."""

    __slots__ = ()


Numbered = tuple[int, dict[str, Any] | str]  # row number in its file from 1, and the row or what is wrong with it


def rows(path: Path, form: TextFormat, columns: Columns, extra: Sequence[str] = ()) -> Iterator[Numbered]:
    """Yield the rows of a text table with the columns asked for; a broken one as the words of its fault.

    Args:
        path: the file; its extension tells the kind.
        form: how it is written.
        columns: what is asked for.
        extra: further columns to keep.

    Raises:
        UserError: the file lacks a column, or is no table at all.
    """
    kind = path.suffix.lower()
    try:
        if kind in (".csv", ".tsv"):
            yield from _csv_rows(path, form, columns, extra)
        else:
            yield from _known(path, (_json_rows if kind == ".json" else _json_lines)(path, form), columns, extra)
    except UnicodeError as error:
        raise UserError(f"{path} is not in its encoding: {error}; name it with reader.encoding=…") from error


def _csv_rows(path: Path, form: TextFormat, columns: Columns, extra: Sequence[str]) -> Iterator[Numbered]:
    delimiter = form.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    with path.open(encoding=_encoding(path, form), errors="surrogateescape", newline="") as handle:
        table = csv.reader(handle, delimiter=delimiter)
        header = next(_csv_lines(table), [])
        if not isinstance(header, list):
            raise UserError(f"{path} has no readable header: {header}")
        columns.check(header, str(path))
        columns.check_paths(extra, header, str(path))
        wanted = [(i, name) for i, name in enumerate(header) if name in set(columns.used(header, extra))]
        for number, line in enumerate(_csv_lines(table), 1):
            if isinstance(line, str):
                yield number, line
            elif len(line) != len(header):
                yield number, f"row of {len(line)} cells under a header of {len(header)} (line {table.line_num})"
            else:
                yield number, _decoded({name: line[i] for i, name in wanted}, form)


def _csv_lines(table: Iterator[list[str]]) -> Iterator[list[str] | str]:
    while True:
        try:
            line = next(table)
        except StopIteration:
            return
        except csv.Error as error:  # a cell above csv's limit, most often behind a quote that is never closed
            yield f"no CSV: {error}"
            continue
        if line:
            yield line


def _json_lines(path: Path, form: TextFormat) -> Iterator[Any]:
    with path.open(encoding=_encoding(path, form), errors="surrogateescape") as handle:
        for line in handle:
            if not line.strip():
                continue
            try:
                yield _decoded(json.loads(line), form)
            except (ValueError, RecursionError) as error:
                yield _Fault(f"no JSON: {error}")


def _json_rows(path: Path, form: TextFormat) -> Iterator[Any]:
    try:
        tree = json.loads(path.read_text(encoding=_encoding(path, form)))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise UserError(f"{path} is no readable JSON: {error}") from error
    if form.records == "*" and isinstance(tree, dict):
        for key, records in tree.items():
            if not isinstance(records, list):
                yield _Fault(f"{key!r} holds no list of rows")
                continue
            for record in records:
                yield {**record, form.group: key} if isinstance(record, dict) and form.group else record
        return
    found = tree.get(form.records) if form.records and isinstance(tree, dict) else tree
    if not isinstance(found, list):
        keys = (
            f" Its keys: {', '.join(list(tree)[:12])}; name one with reader.records=…" if isinstance(tree, dict) else ""
        )
        raise UserError(f"{path} holds no list of rows.{keys}")
    yield from found


def _known(path: Path, records: Iterable[Any], columns: Columns, extra: Sequence[str]) -> Iterator[Numbered]:
    """Number the records of a JSON file, and compare the keys of the first ones with the columns asked for."""
    stream = iter(records)
    first = list(islice(stream, _LOOK))
    keys = list(dict.fromkeys(k for r in first if isinstance(r, dict) for k in r))
    if keys:
        columns.check(keys, str(path))
    for number, record in enumerate(chain(first, stream), 1):
        if isinstance(record, dict):
            yield number, {k: record[k] for k in columns.used(record, extra)}
        else:
            yield number, record if isinstance(record, _Fault) else f"row is no object but {type(record).__name__}"


def _decoded(row: Any, form: TextFormat) -> Any:
    """Return a row whose texts were all in the file's encoding, else words that say which was not."""
    for name, value in row.items() if isinstance(row, dict) else ():
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                return _Fault(f"column {name} is not in {form.encoding}; name the encoding with reader.encoding=…")
    return row


def _encoding(path: Path, form: TextFormat) -> str:
    """Return the encoding of a file: what its byte order mark says, else what the recipe says.

    Raises:
        UserError: for an encoding that Python does not know.
    """
    with path.open("rb") as handle:
        mark = handle.read(4)
    if mark.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if mark.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        "".encode(form.encoding)
    except LookupError:
        raise UserError(f"reader.encoding={form.encoding} is no known encoding") from None
    return form.encoding
