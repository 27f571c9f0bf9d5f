"""An image placed on Earth: from pixels to degrees and back, its footprint, its ground sample distance.

Pixel coordinates have their origin at the top-left corner of the top-left pixel (not its centre), x to the right,
y down; the affine ``(a, b, c, d, e, f)`` maps them to the CRS: x = a·col + b·row + c, y = d·col + e·row + f.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.rasters.georef_files import Affine

Points = NDArray[np.float64]  # (n, 2)

_HAIR = 1e-7  # degrees (a centimetre): what rounding puts over the antimeridian


@dataclass(frozen=True, slots=True)
class Placement:
    """An image placed on Earth.

    Attributes:
        crs: authority string (``EPSG:3857``), or WKT where the CRS has no code.
        transform: affine from pixels to `crs`.
        width: pixels.
        height: pixels.
        source: what told: ``embedded``, ``sidecar``, ``world file`` or ``tile name``.
    """

    crs: str
    transform: Affine
    width: int
    height: int
    source: str

    def window(self, x0: float, y0: float, width: int, height: int) -> Placement:
        """Return the placement of a pixel window of this image; it may begin between pixels, or outside."""
        a, b, c, d, e, f = self.transform
        moved = (a, b, a * x0 + b * y0 + c, d, e, d * x0 + e * y0 + f)
        return replace(self, transform=moved, width=width, height=height)

    def resized(self, width: int, height: int) -> Placement:
        """Return the placement of this image resampled to another number of pixels."""
        if (width, height) == (self.width, self.height):
            return self
        a, b, c, d, e, f = self.transform
        across, down = self.width / width, self.height / height
        scaled = (a * across, b * down, c, d * across, e * down, f)
        return replace(self, transform=scaled, width=width, height=height)

    def to_lonlat(self, pixels: Points) -> Points:
        """Turn pixel coordinates (n, 2) into WGS84 (lon, lat) degrees (n, 2), longitudes within ±180."""
        lonlat = self.degrees(pixels)
        far = np.abs(lonlat[:, 0]) > 180.0  # also of rasters that run from 0 to 360, or on over 180
        lonlat[far, 0] = (lonlat[far, 0] + 180.0) % 360.0 - 180.0
        return lonlat

    def to_pixels(self, lonlat: Points) -> Points:
        """Turn WGS84 (lon, lat) degrees (n, 2) into pixel coordinates (n, 2)."""
        a, b, c, d, e, f = self.transform
        x, y = _transformer(self.crs, True).transform(lonlat[:, 0], lonlat[:, 1])
        x, y, det = x + self._world() * _period(self.crs) - c, y - f, a * e - b * d
        return np.column_stack([(e * x - b * y) / det, (a * y - d * x) / det])

    def degrees(self, pixels: Points) -> Points:
        """Turn pixel coordinates into degrees as the CRS gives them: longitudes may go on beyond ±180."""
        a, b, c, d, e, f = self.transform
        x, y = pixels[:, 0], pixels[:, 1]
        lon, lat = _transformer(self.crs, False).transform(a * x + b * y + c, d * x + e * y + f)
        return np.column_stack([lon, lat])

    def _world(self) -> int:
        """Number the copy of the world that the image lies in, where its CRS goes on beyond ±180 degrees; mostly 0."""
        period = _period(self.crs)
        a, b, c, *_ = self.transform
        return round((a * self.width / 2 + b * self.height / 2 + c) / period) if period else 0

    def footprint(self) -> tuple[float, ...]:
        """Return the corners ``(lon, lat, …)``: top-left, top-right, bottom-right, bottom-left; not closed.

        Longitudes do not jump: those of an image across the antimeridian (`crosses`) reach beyond ±180.
        """
        return _footprint(self)

    def crosses(self) -> bool:
        """Tell whether the image lies across the antimeridian."""
        return max(abs(lon) for lon in self.footprint()[::2]) > 180.0

    def center(self) -> tuple[float, float]:
        """Return (lon, lat) of the image's centre."""
        lon, lat = self.to_lonlat(np.array([[self.width / 2, self.height / 2]]))[0]
        return round(float(lon), 7), round(float(lat), 7)

    def gsd(self) -> float:
        """Return ground metres per pixel at the centre: geodesic, so true in Web Mercator and in degrees too."""
        across, down = self.pixel_sides()
        return round(math.sqrt(across * down), 6)

    def pixel_sides(self) -> tuple[float, float]:
        """Return the metres on the ground from one pixel to the next, across and down, at the centre."""
        return _pixel_sides(self)


@lru_cache(maxsize=64)
def _footprint(place: Placement) -> tuple[float, ...]:
    w, h = float(place.width), float(place.height)
    points = place.degrees(np.array([[0, 0], [w, 0], [w, h], [0, h], [w / 2, h / 2]], dtype=np.float64))
    lon = points[:, 0] - 360.0 * round(float(points[4, 0]) / 360.0) if math.isfinite(points[4, 0]) else points[:, 0]
    lon = np.where(np.abs(lon - lon[4]) > 180.0, lon - np.copysign(360.0, lon - lon[4]), lon)
    over = np.abs(lon) - 180.0
    lon = np.where((over > 0.0) & (over < _HAIR), np.copysign(180.0, lon), lon)
    return tuple(round(float(v), 9) for v in np.column_stack([lon, points[:, 1]])[:4].reshape(-1))


@lru_cache(maxsize=64)
def _pixel_sides(place: Placement) -> tuple[float, float]:
    x, y = place.width / 2, place.height / 2
    left, right, upper, lower = place.degrees(np.array([[x - 1, y], [x + 1, y], [x, y - 1], [x, y + 1]]))
    _, _, metres = _earth().inv(*np.array([left, upper]).T, *np.array([right, lower]).T)
    return float(metres[0]) / 2, float(metres[1]) / 2


@lru_cache(maxsize=1)
def _earth() -> Any:
    from pyproj import Geod

    return Geod(ellps="WGS84")


@lru_cache(maxsize=64)
def _transformer(crs: str, to_crs: bool) -> Any:
    from pyproj import Transformer

    pair = ("EPSG:4326", crs) if to_crs else (crs, "EPSG:4326")
    return Transformer.from_crs(*pair, always_xy=True)


@lru_cache(maxsize=64)
def _period(crs: str) -> float:
    """Return how far apart, in x, the two edges of the world are in a CRS that is cut at 180 degrees; 0 in others."""
    x, _ = _transformer(crs, True).transform(np.array([-180.0, 180.0]), np.array([0.0, 0.0]))
    return float(x[1] - x[0]) if np.isfinite(x).all() and x[1] - x[0] > 1e-6 else 0.0
