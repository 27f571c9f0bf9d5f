"""One feature of a label file, and what a file is found to hold besides; every format gives these."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from geovec_data.osm.tags import Form
from geovec_data.records import OsmType

Bounds = tuple[float, float, float, float]  # west, south, east, north, WGS84 degrees


class Feature(NamedTuple):
    """One thing on the map. A named tuple: there are millions, and a frozen dataclass takes four times as long.

    Attributes:
        geometry: shapely geometry, WGS84 (lon, lat): Polygon or MultiPolygon, or a line or a point that `width` is
            still to be given to; None when its rings cannot be assembled.
        tags: OSM tags.
        osm_type: node, way or relation; None when the file does not tell.
        osm_id: OSM id; None for what was drawn by hand.
        version: OSM version, 0 when the file does not tell.
        bounds: of the geometry, its width included; of the nodes that are known where there is no geometry.
        fault: why there is no geometry.
        form: what the map has: an area, or a line or a point.
        width: metres on the ground of a line or a point that `widen` has not made an area of yet.
    """

    geometry: Any
    tags: dict[str, str]
    osm_type: OsmType | None = None
    osm_id: int | None = None
    version: int = 0
    bounds: Bounds = (0.0, 0.0, 0.0, 0.0)
    fault: str | None = None
    form: Literal["area", "line", "point"] = "area"
    width: float | None = None

    @property
    def asked_form(self) -> Form:
        """Its form as the table of tags asks for it: a closed way may be an area or a line."""
        return "ring" if self.form == "area" and self.osm_type == "way" else self.form

    @property
    def name(self) -> str:
        """``way/123``, or as much of it as is known."""
        return f"{self.osm_type or 'feature'}/{self.osm_id if self.osm_id is not None else '?'}"


@dataclass(slots=True)
class Tally:
    """What was found in a labels file besides its features.

    Attributes:
        date: the moment of the map that it shows, ISO 8601, where the file says so.
        extent: the area that the file says it covers (an OSM header's bounds, a GeoJSON ``bbox``), else None; west is
            greater than east where it lies over the antimeridian.
        repaired: features whose polygon was invalid and was made valid.
        not_areas: features that are nothing, or points or lines that the table of tags does not know.
        unknown: ``key=value`` that the table does not have under a key that it has, and how many features have it.
        broken_without_place: areas that cannot be assembled and of which no node is known.
        known: features that the table of tags knows.
    """

    date: str | None = None
    extent: Bounds | None = None
    repaired: int = 0
    not_areas: int = 0
    broken_without_place: int = 0
    known: int = 0
    unknown: Counter[str] = field(default_factory=Counter)


def touch(bounds: Bounds, within: Bounds | None) -> bool:
    """Tell whether two bounds share a point; None stands for the whole Earth, west > east for over the antimeridian."""
    if within is None:
        return True
    west, south, east, north = within
    if west > east:
        return bounds[1] <= north and bounds[3] >= south and (bounds[2] >= west or bounds[0] <= east)
    return bounds[0] <= east and bounds[2] >= west and bounds[1] <= north and bounds[3] >= south
