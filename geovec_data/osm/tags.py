"""What a feature is by its tags: the table of tags asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from geovec_data.osm.tag_table import Entry, Table, table

Form = Literal["area", "ring", "line", "point"]

_NO = ("no", "")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a feature is.

    Attributes:
        tag: the ``key=value`` that told.
        entry: how it reads.
    """

    tag: str
    entry: Entry


KEYS: tuple[str, ...] = tuple(table().keys)


def meaning_of(tags: Mapping[str, str], keys: tuple[str, ...], form: Form) -> Meaning | None:
    """Say what a feature is, or None when the table has nothing for its tags and form.

    Args:
        tags: OSM tags.
        keys: which keys of the table are wanted.
        form: ``area`` for a multipolygon, ``ring`` for a closed way, ``line`` for a way, ``point`` for a node.
    """
    if hidden(tags):
        return None
    known = table()
    for key, values in known.keys.items():
        if key not in tags or key not in keys or (value := _value(tags, key)) in _NO:
            continue
        entry = values.get(value) or values.get("*")
        if entry is None:
            continue
        found = _refined(Meaning(f"{key}={value if value in values else '*'}", entry), tags, known)
        if _is_form(found.entry, form, tags):
            return _as_line(found) if form == "line" and found.entry.as_line else found
    return None


def unknown_tags(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ``key=value`` of the table's keys whose value the table does not have."""
    out = []
    for key, values in table().keys.items():
        if key in tags and "*" not in values and (value := _value(tags, key)) not in values and value not in _NO:
            out.append(f"{key}={value}")
    return tuple(out)


def hidden(tags: Mapping[str, str]) -> bool:
    """Tell whether an image cannot show the feature: it lies under the ground or indoors, or is there at times only."""
    under = tags.get("location") == "underground" or tags.get("parking") == "underground"
    low = tags.get("layer", "").startswith("-") and ("building" in tags or "amenity" in tags)
    at_times = tags.get("intermittent") == "yes" or tags.get("seasonal", "no") != "no"
    tunnel = tags.get("tunnel", "no") != "no"
    return under or low or tunnel or at_times or tags.get("indoor") == "yes"


def width_of(entry: Entry, tags: Mapping[str, str]) -> float:
    """Return the width of a line in metres: as its tags say (``width``, ``lanes`` of 3.3 m), else the table's."""
    assert entry.width is not None
    for key, unit in (("width", 1.0), ("lanes", 3.3)):
        if key not in tags:
            continue
        try:
            width = float(tags[key].removesuffix("m").strip()) * unit
        except ValueError:
            continue
        if 0.5 <= width <= 100:
            return width
    return entry.width


@lru_cache(maxsize=64)
def _as_line(found: Meaning) -> Meaning:
    return Meaning(found.tag, found.entry.line)


def _value(tags: Mapping[str, str], key: str) -> str:
    return tags.get(key, "no").split(";")[0].strip()


def _is_form(entry: Entry, form: Form, tags: Mapping[str, str]) -> bool:
    if form == "area":
        return True
    if form == "ring":
        return entry.geometry != "line" or tags.get("area") == "yes"
    if form == "line":
        return entry.geometry != "point" and entry.width is not None and tags.get("area") != "yes"
    return entry.geometry == "point"


def _refined(found: Meaning, tags: Mapping[str, str], known: Table) -> Meaning:
    if found.tag == "building=*":
        for use, kind in known.uses.items():
            key, _, value = use.partition("=")
            if tags.get(key) == value:
                return Meaning(f"building={kind}", known.keys["building"][kind])
    if by := found.entry.by:
        value = _value(tags, by)
        if value in known.kinds[by]:
            return Meaning(f"{by}={value}", known.kinds[by][value])
    return found
