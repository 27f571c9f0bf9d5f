"""Names of places from the areas of a map: administrative boundaries, and settlements drawn as areas."""

from __future__ import annotations

from collections.abc import Mapping

LEVELS = ("country", "state", "county", "city", "district", "neighbourhood")
"""From the widest; what a country calls its level 6 differs (https://wiki.openstreetmap.org/wiki/Tag:boundary%3Dadministrative)."""

_ADMIN = {
    "2": "country", "3": "state", "4": "state", "5": "county", "6": "county", "7": "city", "8": "city",
    "9": "district", "10": "district", "11": "neighbourhood",
}  # fmt: skip
_PLACE = {
    "city": "city", "town": "city", "village": "city", "borough": "district", "suburb": "district",
    "quarter": "neighbourhood", "neighbourhood": "neighbourhood",
}  # fmt: skip


def place_of(tags: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the level and the name of the place that an area with these tags is, or None.

    The English name is taken before the local one, as the rest of the texts are English.
    """
    name = tags.get("name:en") or tags.get("name")
    if not name:
        return None
    administrative = tags.get("boundary") == "administrative"
    level = _ADMIN.get(tags.get("admin_level", "")) if administrative else _PLACE.get(tags.get("place", ""))
    return (level, name) if level else None
