"""Label files with OpenStreetMap features: which files a path means, and their features and extents, streamed.

A line or a point that the table of tags knows comes with its width on the ground; `widen` makes areas of such.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geovec_data.errors import UserError
from geovec_data.osm.tags import Form
from geovec_data.records import OsmType

_DEGREE = 111_195.0  # metres of a degree of latitude

Array = NDArray[Any]
Bounds = tuple[float, float, float, float]  # west, south, east, north, WGS84 degrees

OSM_SUFFIXES = (".osm", ".osm.bz2", ".osm.gz", ".pbf")
VECTOR_SUFFIXES = (".geojson", ".json", ".gpkg", ".parquet", ".geoparquet")


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


def label_files(labels: Path) -> tuple[Path, ...]:
    """List the label files that a path means: itself, or those in the folder, by name.

    Raises:
        UserError: when there is none; says what is accepted and what was found.
    """
    kinds = ", ".join((*OSM_SUFFIXES, *VECTOR_SUFFIXES))
    if labels.is_file():
        if not _is_labels(labels):
            raise UserError(f"source.labels={labels}: not one of {kinds}")
        return (labels,)
    if not labels.is_dir():
        raise UserError(
            f"source.labels={labels}: no such file or folder. It must be OSM data: one of {kinds}, or a folder of such"
            " files. An extract can be had from https://download.geofabrik.de or https://export.hotosm.org"
        )
    # a .json in a folder of labels is as likely somebody's COCO file; one that is meant is named itself
    files = tuple(sorted(p for p in labels.iterdir() if p.is_file() and _is_labels(p) and p.suffix.lower() != ".json"))
    if not files:
        found = ", ".join(sorted(p.name for p in labels.iterdir())[:5]) or "nothing"
        raise UserError(f"source.labels={labels}: the folder holds no labels ({kinds}); found: {found}")
    return files


def _is_labels(path: Path) -> bool:
    return path.name.lower().endswith((*OSM_SUFFIXES, *VECTOR_SUFFIXES))


def features(path: Path, tally: Tally, scratch: Path | None = None, within: Bounds | None = None) -> Iterator[Feature]:
    """Stream the features of a labels file; `tally` is complete after the last one.

    Args:
        path: the file.
        tally: filled.
        scratch: folder for what does not fit in memory (node locations of a large OSM file); None keeps all there.
        within: only features whose bounds touch these are given; None gives all.

    Raises:
        UserError: when the file is damaged or not what its name says.
    """
    if path.name.lower().endswith(OSM_SUFFIXES):
        from geovec_data.readers.osm_file import read_osm

        return read_osm(path, tally, scratch, within)
    if path.suffix.lower() in (".parquet", ".geoparquet"):
        from geovec_data.readers.osm_parquet import read_geoparquet

        return read_geoparquet(path, tally, within)
    if path.suffix.lower() == ".gpkg":
        from geovec_data.readers.osm_geopackage import read_geopackage

        return read_geopackage(path, tally, within)
    from geovec_data.readers.osm_geojson import read_geojson

    return read_geojson(path, tally, within)


def touch(bounds: Bounds, within: Bounds | None) -> bool:
    """Tell whether two bounds share a point; None stands for the whole Earth, west > east for over the antimeridian."""
    if within is None:
        return True
    west, south, east, north = within
    if west > east:
        return bounds[1] <= north and bounds[3] >= south and (bounds[2] >= west or bounds[0] <= east)
    return bounds[0] <= east and bounds[2] >= west and bounds[1] <= north and bounds[3] >= south


def polygonal(geometry: Any, tally: Tally) -> Any:
    """Return the valid polygonal part of a shapely geometry, or None when it has none; counts what it mends."""
    import shapely

    if geometry is None or shapely.is_empty(geometry) or shapely.get_dimensions(geometry) < 2:
        tally.not_areas += 1
        return None
    geometry = shapely.force_2d(geometry)
    if not shapely.is_valid(geometry):
        tally.repaired += 1
        geometry = shapely.make_valid(geometry)
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        parts = [g for g in shapely.get_parts(geometry) if g.geom_type in ("Polygon", "MultiPolygon")]
        geometry = shapely.union_all(parts) if parts else None
    return None if geometry is None or geometry.is_empty or geometry.area == 0.0 else geometry


def padded(bounds: Array, metres: Array) -> Array:
    """Return bounds (n, 4) in degrees with half of a width on the ground (n,) added to each side."""
    half = metres / 2
    scale = _scale(bounds)
    pad = np.column_stack([half / scale[:, 0], half / scale[:, 1]])
    return np.hstack([bounds[:, :2] - pad, bounds[:, 2:] + pad])


def widen(geometries: Array, metres: Array) -> Array:
    """Give lines and points in degrees their width on the ground.

    Args:
        geometries: shapely lines and points (n,), WGS84 (lon, lat).
        metres: full widths (n,). A metre is measured at the middle of the feature, on a sphere; of a feature 10 km
            long in latitude 60° that errs by less than 1 %.

    Returns:
        Polygons (n,), those of lines with flat ends; of a line without length an empty one.
    """
    import shapely

    flat = shapely.force_2d(geometries)
    scale = _scale(shapely.bounds(flat))
    flat = _scaled(flat, scale)
    points = shapely.get_type_id(flat) == shapely.GeometryType.POINT
    out: Array = shapely.buffer(flat, metres / 2, quad_segs=4, cap_style="flat")
    out[points] = shapely.buffer(flat[points], metres[points] / 2, quad_segs=4)
    return _scaled(out, 1 / scale)


def _scale(bounds: Array) -> Array:
    """Metres of a degree of longitude and of latitude (n, 2) at the middle of bounds (n, 4)."""
    middle = np.radians((bounds[:, 1] + bounds[:, 3]) / 2)
    return np.column_stack([_DEGREE * np.cos(middle), np.full(len(middle), _DEGREE)])


def _scaled(geometries: Array, factors: Array) -> Array:
    import shapely

    points, owner = shapely.get_coordinates(geometries, return_index=True)
    out: Array = shapely.set_coordinates(geometries.copy(), points * factors[owner])
    return out
