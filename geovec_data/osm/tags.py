"""What a feature is by its tags: the table of tags asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from geovec_data.osm.tag_table import Entry, table

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
_RANK = {key: number for number, key in enumerate(KEYS)}
_HIDING = frozenset(("location", "parking", "layer", "intermittent", "seasonal", "tunnel", "indoor"))


def meaning_of(tags: Mapping[str, str], keys: tuple[str, ...], form: Form) -> Meaning | None:
    """Say what a feature is, or None when the table has nothing for its tags and form.

    Args:
        tags: OSM tags.
        keys: which keys of the table are wanted.
        form: ``area`` for a multipolygon, ``ring`` for a closed way, ``line`` for a way, ``point`` for a node.
    """
    if hidden(tags):
        return None
    for key in _asked(tags):
        if key not in keys or (plain := _plain(key, _value(tags, key))) is None:
            continue
        found = _refined(plain, tags)
        if _is_form(found.entry, form, tags):
            return _as_line(found) if form == "line" and found.entry.as_line else found
    return None


def unknown_tags(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ``key=value`` of the table's keys whose value the table does not have."""
    out = []
    for key in _asked(tags):
        value = _value(tags, key)
        if value not in _NO and _plain(key, value) is None:
            out.append(f"{key}={value}")
    return tuple(out)


def _asked(tags: Mapping[str, str]) -> list[str]:
    """List the keys of the table that some tags have, in the table's order; most features have one, of a dozen."""
    found = [key for key in tags if key in _RANK]
    if len(found) > 1:
        found.sort(key=_RANK.__getitem__)
    return found


def hidden(tags: Mapping[str, str]) -> bool:
    """Tell whether an image cannot show the feature: it lies under the ground or indoors, or is there at times only."""
    if _HIDING.isdisjoint(tags):
        return False
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


@lru_cache(maxsize=4096)
def _plain(key: str, value: str) -> Meaning | None:
    """Return what a tag of one of the table's keys means by itself."""
    values = table().keys[key]
    entry = None if value in _NO else values.get(value) or values.get("*")
    return None if entry is None else Meaning(f"{key}={value if value in values else '*'}", entry)


def _value(tags: Mapping[str, str], key: str) -> str:
    value = tags.get(key, "no")
    return (value.split(";")[0] if ";" in value else value).strip()


def _is_form(entry: Entry, form: Form, tags: Mapping[str, str]) -> bool:
    if form == "area":
        return True
    if form == "ring":
        return entry.geometry != "line" or tags.get("area") == "yes"
    if form == "line":
        return entry.geometry != "point" and entry.width is not None and tags.get("area") != "yes"
    return entry.geometry == "point"


def _refined(found: Meaning, tags: Mapping[str, str]) -> Meaning:
    known = table()
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
