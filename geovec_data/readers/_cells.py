"""The cells of a table: texts, numbers, boxes, outlines and splits as strangers write them."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "restval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


class BadCell(Exception):
    """A cell that cannot be understood; `code` is a word from `geovec_data.build.ledger.CODES`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def text(value: Any, column: str) -> str | None:
    """Return a cell as text.

    Raises:
        BadCell: for a list, a mapping, or bytes that are no UTF-8.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadCell("bad_annotation", f"{column} is no UTF-8 text: {error}") from error
    if isinstance(value, date):  # datetime is one too
        return value.isoformat()
    if isinstance(value, (list, tuple, dict)):
        raise BadCell("bad_annotation", f"{column} is no text but {type(value).__name__}")
    return str(value)


def texts(value: Any, column: str) -> list[str]:
    """Return the texts of a cell that holds one or a list of them; empty cells of a list are left out."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return [t for v in values if (t := text(v, column)) is not None]


def split_name(value: Any) -> str | None:
    """Return train, val or test for the usual spellings.

    Raises:
        BadCell: for another word.
    """
    if value is None:
        return None
    word = str(value).strip().lower()
    if word not in SPLIT_NAMES:
        raise BadCell("bad_annotation", f"unknown split {value!r}; known: {', '.join(SPLIT_NAMES)}")
    return SPLIT_NAMES[word]


def box_ring(west: float, south: float, east: float, north: float) -> tuple[float, ...]:
    """Return the ring of a box in degrees.

    Raises:
        BadCell: when west is not west of east or south not south of north.
    """
    if not (west < east and south < north):
        raise BadCell("bad_coordinate", f"box west {west}, south {south}, east {east}, north {north} is no box")
    return (west, south, east, south, east, north, west, north)


def number(value: Any, column: str) -> float | None:
    """Return a cell as a finite number, None for an empty one.

    Raises:
        BadCell: ``bad_coordinate``.
    """
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadCell("bad_coordinate", f"{column} {value!r} is no number") from None
    if not math.isfinite(number):
        raise BadCell("bad_coordinate", f"{column} {value!r} is not finite")
    return number


def ring(value: Any, column: str) -> tuple[float, ...]:
    """Return the outer ring ``lon, lat, …`` of a WKT or GeoJSON polygon, not closed.

    Raises:
        BadCell: ``bad_coordinate``.
    """
    from shapely import from_geojson, from_wkt
    from shapely.errors import GEOSException

    try:
        written = value if isinstance(value, str) else json.dumps(value)
        shape = from_geojson(written) if written.lstrip().startswith("{") else from_wkt(written)
    except (GEOSException, TypeError, ValueError) as error:
        raise BadCell("bad_coordinate", f"{column} is neither WKT nor GeoJSON: {error}") from error
    outer = getattr(shape, "exterior", None)
    if outer is None or shape.is_empty:
        raise BadCell("bad_coordinate", f"{column} is no polygon but {shape.geom_type}")
    return tuple(float(v) for point in list(outer.coords)[:-1] for v in point[:2])


def tags(value: Any, column: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of a mapping, or of JSON text of one; pairs without a value are left out.

    Raises:
        BadCell: ``bad_annotation``.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise BadCell("bad_annotation", f"{column} is no JSON: {error}") from error
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise BadCell("bad_annotation", f"{column} is no mapping but {type(value).__name__}")
    return tuple((str(k), v) for k, cell in value.items() if (v := text(cell, column)))
