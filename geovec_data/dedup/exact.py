"""Byte-identical images: which copy's row stays, and what it takes over from the others.

The rule: the corpus that `dedup.prefer` names first; then the copy with more labels (captions, classes, places,
attributes, a class); then the first by corpus and key. Regions, examples and texts hang on the image's id and are
joined without more. Of its row, the licences and attributions of all copies are named, since all of them bind; lists
(captions, classes, places, attributes) are united; what the copy that stays does not know (class, time, position) is
taken from the next that does. Its corpus, key, origin and official split are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from geovec_data.dedup.options import DedupOptions
from geovec_data.schema import arrow_schema
from geovec_data.store.journal import UnitRecord
from geovec_data.store.sql import staged

Row = dict[str, Any]

_UNITED = ("labels", "attributes", "places", "captions", "synthetic")
_NAMED = ("licence", "attribution")
_TOGETHER = (("scene_class",), ("captured",), ("gsd",), ("crs", "transform"), ("footprint",), ("lon", "lat"))
_CHANGED = (*_UNITED, *_NAMED, *(name for names in _TOGETHER for name in names))
_TERMS = "; "


@dataclass(frozen=True, slots=True)
class Copies:
    """Byte-identical images.

    Attributes:
        gone: (image id, corpus, key) of a copy that goes → corpus and key of the one that stays.
        joined: image id → the columns of the row that stays, as they become.
        dropped: images of which no row stays (`geovec_data.dedup.near`).
    """

    gone: dict[tuple[str, str, str], tuple[str, str]]
    joined: dict[str, Row]
    dropped: frozenset[str] = frozenset()

    def apply(self, table: pa.Table) -> pa.Table:
        """Leave out the copies that go from rows of ``images``, and fill in what the others take over."""
        keys = list(zip(*(table.column(c).to_pylist() for c in ("id", "corpus", "key")), strict=True))
        kept = [k not in self.gone and k[0] not in self.dropped for k in keys]
        table = table.filter(pa.array(kept, pa.bool_()))
        images = [k[0] for k, keep in zip(keys, kept, strict=True) if keep]
        if not any(i in self.joined for i in images):
            return table
        for name in _CHANGED:
            field = arrow_schema("images").field(name)
            values = table.column(name).to_pylist()
            values = [self.joined[i][name] if i in self.joined else v for i, v in zip(images, values, strict=True)]
            table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
        return table


def find_copies(
    con: duckdb.DuckDBPyConnection, staging: Path, units: list[UnitRecord], options: DedupOptions
) -> Copies:
    """Find the images that occur more than once and settle which row stays; holds those rows alone, without bytes."""
    source = staged(con, staging, units, "images")
    if source is None:
        return Copies({}, {})
    columns = ", ".join(("id", "corpus", "key", *_CHANGED))
    cursor = con.execute(
        f"SELECT {columns} FROM {source} WHERE id IN (SELECT id FROM {source} GROUP BY id HAVING count(*) > 1)"
        " ORDER BY id"
    )
    names = columns.split(", ")
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    gone: dict[tuple[str, str, str], tuple[str, str]] = {}
    joined: dict[str, Row] = {}
    for image, group in groupby(rows, key=lambda r: r["id"]):
        first, *others = sorted(group, key=lambda r: _rank(r, options))
        for other in others:
            gone[image, other["corpus"], other["key"]] = first["corpus"], first["key"]
        joined[image] = _join([first, *others])
    return Copies(gone, joined)


def _rank(row: Row, options: DedupOptions) -> tuple[Any, ...]:
    place = options.prefer.index(row["corpus"]) if row["corpus"] in options.prefer else len(options.prefer)
    labels = sum(len(row[name]) for name in _UNITED if name != "synthetic") + (row["scene_class"] is not None)
    return place, -labels, row["corpus"], row["key"]


def _join(rows: Sequence[Row]) -> Row:
    out: Row = {name: list({repr(v): v for row in rows for v in row[name]}.values()) for name in _UNITED}
    out |= {name: _TERMS.join(dict.fromkeys(row[name] for row in rows)) for name in _NAMED}
    for names in _TOGETHER:
        known = next((row for row in rows if row[names[0]] is not None), rows[0])
        out |= {name: known[name] for name in names}
    return out
