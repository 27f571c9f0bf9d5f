"""Scenes whose labels are a map's: what one shows, and what it is known not to show, stand in its attributes.

A map is not complete, so a scene without a label of something may yet have it, and only a kind of thing that the map
knows completely enough around the scene (`geovec_data.osm.completeness`, level in the attribute ``map_level``) is
called lacking. A change of one kind is made only between scenes of which each shows it or is known to lack it, and
which otherwise show the same, those kinds included that no map has completely (``map_also``: trees, parks).
"""

from __future__ import annotations

from collections.abc import Iterable

SHOWS, ALSO, LACKS, LEVEL = "map_shows", "map_also", "map_lacks", "map_level"


def facts(pairs: Iterable[tuple[str, str]]) -> tuple[frozenset[str], frozenset[str]] | None:
    """Read what a scene shows and lacks from its attributes; None where its labels are no map's."""
    found = list(pairs)
    if not any(key == LEVEL for key, _ in found):
        return None
    return frozenset(v for k, v in found if k in (SHOWS, ALSO)), frozenset(v for k, v in found if k == LACKS)
