"""OSM features in GeoJSON, one after the other: a file of any size is never in memory as a whole.

Layout: https://datatracker.ietf.org/doc/html/rfc7946; the ``crs`` member of its predecessor
(https://geojson.org/geojson-spec#named-crs) is obeyed, and ``timestamp`` of overpass-turbo taken as the map's date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from geovec_data.errors import UserError
from geovec_data.osm.labels.feature import Bounds, Feature, Tally
from geovec_data.osm.labels.row import row_feature

CHUNK = 2**18  # characters read at once
LARGEST = 2**27  # characters of one feature: a country's border has less than a tenth
_TAIL = 2**16
_DEGREES = "OGC:CRS84"


def read_geojson(path: Path, tally: Tally, within: Bounds | None = None) -> Iterator[Feature]:
    """Stream the features of a GeoJSON file.

    Raises:
        UserError: when it is not a FeatureCollection, or its CRS is unknown.
    """
    import shapely
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    crs = _late_crs(path) or _DEGREES
    number = -1
    for key, value in _members(path):
        if key == "crs":
            crs = _name_of(value)
        elif key == "bbox":
            tally.extent = _extent(value)
        elif key == "timestamp" and isinstance(value, str):
            tally.date = value
        if key is not None:
            continue
        number += 1
        record = value if isinstance(value, dict) else {}
        try:
            geometry = shape(record["geometry"]) if record.get("geometry") else None
        except (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError):
            geometry = shapely.Point()  # empty: counted as no area
        properties = record.get("properties")
        properties = dict(properties) if isinstance(properties, dict) else {}
        if record.get("id") is not None:
            properties.setdefault("@id", record["id"])
        feature = row_feature(geometry, properties, tally, crs, f"{path} feature {number}", within)
        if feature is not None:
            yield feature


def _members(path: Path) -> Iterator[tuple[str | None, Any]]:
    """Yield the members of the collection as (name, value), and each of its features as (None, record).

    Raises:
        UserError: when it is not a FeatureCollection in JSON.
    """
    found = False
    with _explained(path), path.open(encoding="utf-8-sig") as file:
        text = _Text(file)
        if text.peek() == "{":
            text.one_of("{")
            end = text.one_of("}") if text.peek() == "}" else ""
            while end != "}":
                key = text.value()
                text.one_of(":")
                if key == "features" and text.peek() == "[":
                    found = True
                    yield from ((None, record) for record in text.items())
                else:
                    yield str(key), text.value()
                end = text.one_of(",}")
            if text.peek():
                text.fail("Extra data")
        else:
            text.value()
    if not found:
        raise UserError(f"source.labels={path} is not a GeoJSON FeatureCollection (no list 'features')")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise UserError(f"source.labels={path} is not valid JSON ({error})") from error


class _Text:
    """A window on a file that grows until the value at its start is whole."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._before = 0  # characters that have left the window
        self._ended = False
        self._decoder = json.JSONDecoder()

    def _more(self) -> None:
        left = self._text[self._at :]
        chunk = self._file.read(max(CHUNK, len(left)))
        self._before += self._at
        self._text, self._at, self._ended = left + chunk, 0, not chunk

    def fail(self, what: str) -> None:
        """Raise ValueError, with the place in the file."""
        raise ValueError(f"{what} at character {self._before + self._at}")

    def peek(self) -> str:
        """Return the next character that is no blank without taking it; empty at the file's end."""
        while True:
            while self._at < len(self._text):
                if not self._text[self._at].isspace():
                    return self._text[self._at]
                self._at += 1
            if self._ended:
                return ""
            self._more()

    def one_of(self, wanted: str) -> str:
        """Take the next character, which must be one of these."""
        found = self.peek()
        if not found or found not in wanted:
            self.fail(f"Expecting {' or '.join(map(repr, wanted))}" + ("" if found else ", the file ends"))
        self._at += 1
        return found

    def value(self) -> Any:
        """Take the next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - 16
                if self._ended or not cut or len(self._text) - self._at > LARGEST:
                    raise ValueError(f"{error.msg} at character {self._before + error.pos}") from error
            else:
                if end < len(self._text) or self._ended:  # else it may be the first digits of a longer number
                    self._at = end
                    return value
            self._more()

    def items(self) -> Iterator[Any]:
        """Take an array, value by value."""
        self.one_of("[")
        end = self.one_of("]") if self.peek() == "]" else ""
        while end != "]":
            yield self.value()
            end = self.one_of(",]")


def _late_crs(path: Path) -> str | None:
    """Return the CRS of a collection that names it after its features, which would be too late."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        if b'"crs"' not in file.read():
            return None
    return next((_name_of(value) for key, value in _members(path) if key == "crs"), None)


def _name_of(crs: Any) -> str:
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return str(name or _DEGREES)


def _extent(box: Any) -> Bounds | None:
    if not isinstance(box, list) or len(box) not in (4, 6) or not all(isinstance(v, int | float) for v in box):
        return None
    half = len(box) // 2
    west, south, east, north = float(box[0]), float(box[1]), float(box[half]), float(box[half + 1])
    return west, south, east, north
