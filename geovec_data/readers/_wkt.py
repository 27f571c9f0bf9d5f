"""Polygons in well-known text, as metadata files state where an image lies; without the geospatial stack."""

from __future__ import annotations

import math
import re

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_POINT = re.compile(rf"\s*({_NUMBER})\s+({_NUMBER})(?:\s+{_NUMBER})?\s*")
_POLYGON = re.compile(r"\s*(?:SRID=4326;)?\s*POLYGON\s*Z?\s*\(\s*\(([^()]*)\)", re.IGNORECASE)

Ring = tuple[float, ...]


def ring_of(text: str) -> Ring:
    """Return the outer ring of a WKT polygon, ``(x0, y0, x1, y1, …)``, not closed.

    Raises:
        ValueError: when it is no polygon of at least three points.
    """
    found = _POLYGON.match(text)
    points = [_POINT.fullmatch(p) for p in found[1].split(",")] if found else []
    numbers = [(float(p[1]), float(p[2])) for p in points if p]
    if len(numbers) > 1 and numbers[0] == numbers[-1]:
        numbers.pop()
    if len(numbers) < 3 or not all(points):
        raise ValueError(f"no polygon in well-known text: {text[:80]!r}")
    return tuple(v for point in numbers for v in point)


def centre_of(ring: Ring) -> tuple[float, float]:
    """Return (lon, lat): the mean of a small ring's corners, right across the antimeridian too.

    Args:
        ring: ``(lon, lat, …)`` in degrees, not closed.

    Raises:
        ValueError: when a corner is not on Earth.
    """
    lons, lats = ring[::2], ring[1::2]
    if not all(math.isfinite(v) for v in ring) or max(map(abs, lons)) > 180 or max(map(abs, lats)) > 90:
        raise ValueError(f"a corner is not on Earth: {ring}")
    if crosses_antimeridian(ring):
        lons = tuple(lon % 360 for lon in lons)
    lon = sum(lons) / len(lons)
    return round(lon - 360 if lon > 180 else lon, 7), round(sum(lats) / len(lats), 7)


def crosses_antimeridian(ring: Ring) -> bool:
    """Say whether a small ring's corners lie on both sides of 180 degrees."""
    return max(ring[::2]) - min(ring[::2]) > 180
