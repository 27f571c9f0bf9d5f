"""Label files with OpenStreetMap features: which files a path means, and their features and extents, streamed.

Everything is an area from here on: a line that the table of tags knows is drawn as wide as it is on the ground, a
point as large; `Feature.form` keeps what it was.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from geovec_data.errors import UserError
from geovec_data.osm.tags import Form
from geovec_data.records import OsmType

_DEGREE = 111_195.0  # metres of a degree of latitude

Bounds = tuple[float, float, float, float]  # west, south, east, north, WGS84 degrees

OSM_SUFFIXES = (".osm", ".osm.bz2", ".osm.gz", ".pbf")
VECTOR_SUFFIXES = (".geojson", ".json", ".gpkg", ".parquet", ".geoparquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One area of the map.

    Attributes:
        geometry: shapely Polygon or MultiPolygon, WGS84 (lon, lat); None when its rings cannot be assembled.
        tags: OSM tags.
        osm_type: way or relation; None when the file does not tell.
        osm_id: OSM id; None for what was drawn by hand.
        version: OSM version, 0 when the file does not tell.
        bounds: of the geometry; of the nodes that are known where there is no geometry.
        fault: why there is no geometry.
        form: what the map has: an area, or a line or a point that was given its width on the ground.
    """

    geometry: Any
    tags: dict[str, str] = field(default_factory=dict)
    osm_type: OsmType | None = None
    osm_id: int | None = None
    version: int = 0
    bounds: Bounds = (0.0, 0.0, 0.0, 0.0)
    fault: str | None = None
    form: Literal["area", "line", "point"] = "area"

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
        extent: the area that the file says it covers (an OSM header's bounds, a GeoJSON ``bbox``), else None.
        repaired: features whose polygon was invalid and was made valid.
        not_areas: features that are nothing, or points or lines that the table of tags does not know.
        unknown: ``key=value`` that the table does not have under a key that it has, and how many features have it.
        broken_without_place: areas that cannot be assembled and of which no node is known.
    """

    date: str | None = None
    extent: Bounds | None = None
    repaired: int = 0
    not_areas: int = 0
    broken_without_place: int = 0
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


def features(path: Path, tally: Tally, scratch: Path | None = None) -> Iterator[Feature]:
    """Stream the areas of a labels file; `tally` is filled on the way, its extent before the first feature.

    Args:
        path: the file.
        tally: filled.
        scratch: folder for what does not fit in memory (node locations of a large OSM file); None keeps all there.

    Raises:
        UserError: when the file is damaged or not what its name says.
    """
    if path.name.lower().endswith(OSM_SUFFIXES):
        from geovec_data.readers.osm_file import read_osm

        return read_osm(path, tally, scratch)
    if path.suffix.lower() in (".parquet", ".geoparquet"):
        from geovec_data.readers.osm_parquet import read_geoparquet

        return read_geoparquet(path, tally)
    from geovec_data.readers.osm_vector import read_geojson, read_geopackage

    return read_geopackage(path, tally) if path.suffix.lower() == ".gpkg" else read_geojson(path, tally)


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


def widened(geometry: Any, metres: float) -> Any:
    """Give a line or point in degrees its width on the ground: a polygon with flat ends; None where nothing is left.

    Args:
        geometry: shapely line or point, WGS84 (lon, lat).
        metres: full width. A metre is measured at the middle of the feature, on a sphere; of a feature 10 km long in
            latitude 60° that errs by less than 1 %.
    """
    import shapely

    _, south, _, north = shapely.bounds(geometry)
    scale = np.array([_DEGREE * math.cos(math.radians((south + north) / 2)), _DEGREE])
    flat = shapely.transform(shapely.force_2d(geometry), lambda p: p * scale)
    area = shapely.buffer(flat, metres / 2, quad_segs=4, cap_style="round" if flat.geom_type == "Point" else "flat")
    return None if area.is_empty else shapely.transform(area, lambda p: p / scale)
