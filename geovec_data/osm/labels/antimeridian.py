"""Features and bounds over the antimeridian: longitudes come out within ±180, cut there (RFC 7946, section 3.1.9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from geovec_data.osm.labels.feature import Bounds

_WORLD = (-180.0, -90.0, 180.0, 90.0)


def wrapped(geometry: Any) -> Any:
    """Cut a geometry along the antimeridian.

    Args:
        geometry: shapely geometry (lon, lat) whose longitudes run on beyond ±180, or jump from one side to the other
            between two points. An edge along the whole Earth, as maps of Antarctica have, is no jump.

    Returns:
        The same on the ground, longitudes within ±180.
    """
    import shapely

    parts = [_continuous(part) for part in shapely.get_parts(geometry)]
    worlds = [_moved(part, by) for part in parts for by in (-360.0, 0.0, 360.0)]
    cut = [c for c in shapely.intersection(worlds, shapely.box(*_WORLD)) if not c.is_empty]
    same = [p for c in cut for p in shapely.get_parts(c) if p.geom_type == parts[0].geom_type]
    return shapely.union_all(same)


def crosses(geometry: Any) -> bool:
    """Tell whether `wrapped` has something to do; the bounds tell of nearly all geometries that it has not."""
    import shapely

    west, _, east, _ = geometry.bounds
    if west < -180.0 or east > 180.0:
        return True
    return east - west > 180.0 and any(_jumps(part) for part in shapely.get_parts(geometry))


def area_of(bounds: Bounds) -> Any:
    """Return bounds as a shapely area; in two parts where west is greater than east, as RFC 7946 writes them."""
    import shapely

    west, south, east, north = bounds
    if west <= east:
        return shapely.box(*bounds)
    return shapely.union(shapely.box(west, south, 180.0, north), shapely.box(-180.0, south, east, north))


def _continuous(part: Any) -> Any:
    import shapely

    if not _jumps(part):
        return part
    return shapely.transform(part, lambda p: np.column_stack([p[:, 0] + 360.0 * (p[:, 0] < 0.0), p[:, 1]]))


def _jumps(part: Any) -> bool:
    import shapely

    lines = [part.exterior] if part.geom_type == "Polygon" else [part]
    steps = np.abs(np.diff(np.concatenate([shapely.get_coordinates(line)[:, 0] for line in lines])))
    return bool(((steps > 180.0) & (steps < 360.0)).any())


def _moved(part: Any, by: float) -> Any:
    import shapely

    return shapely.transform(part, lambda p: p + np.array([by, 0.0]))
