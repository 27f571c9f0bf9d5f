"""Geometries of features: the valid areas in what a file holds, and lines and points given their width."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.osm.labels.feature import Tally

_DEGREE = 111_195.0  # metres of a degree of latitude

Array = NDArray[Any]


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
