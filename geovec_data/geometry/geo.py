"""WGS84 coordinates: validity, great-circle distance, and the codecs that turn them into text and back."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from geovec_data.errors import UserError, suggest

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (2a + b) / 3 of the WGS84 ellipsoid, in metres (IUGG)."""


def is_lonlat(lon: float, lat: float) -> bool:
    """Whether both are finite degrees in their ranges: longitude −180…180, latitude −90…90."""
    return math.isfinite(lon) and math.isfinite(lat) and abs(lon) <= 180.0 and abs(lat) <= 90.0


def distance_m(lon1: Any, lat1: Any, lon2: Any, lat2: Any) -> npt.NDArray[np.float64]:
    """Great-circle distance in metres between points in degrees; arguments broadcast like numpy arrays.

    Haversine on a sphere of `EARTH_RADIUS_M`: up to 0.6 % off the ellipsoid's distance. Exact across the
    antimeridian. Scalars give an array of shape ``()``.
    """
    lon1, lat1, lon2, lat2 = (np.radians(np.asarray(v, dtype=np.float64)) for v in (lon1, lat1, lon2, lat2))
    half = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


class CoordinateCodec(Protocol):
    """How a coordinate becomes text, and back."""

    @property
    def name(self) -> str:
        """The name under which `coordinate_codec` finds it."""

    def encode(self, lon: float, lat: float) -> str:
        """Text of a point.

        Raises:
            ValueError: when it is not on the globe.
        """

    def decode(self, text: str) -> tuple[float, float]:
        """The point as ``(lon, lat)`` in degrees.

        Raises:
            ValueError: when the text is not one point in this codec's order, or not on the globe.
        """

    def error_bound(self) -> float:
        """Largest absolute error of a decoded longitude or latitude, in degrees."""

    def error_bound_m(self, lat: float = 0.0) -> float:
        """Largest distance in metres between a point at that latitude and its decoded self."""


@dataclass(frozen=True, slots=True)
class DecimalDegrees:
    """Signed decimal degrees that say their order: ``lat 27.63128, lon 85.52345``.

    The words are in the text because a swapped pair is otherwise a valid place elsewhere; decoding refuses
    the other order. Five digits are 0.8 m at worst, below the ground sample distance of most imagery.

    Attributes:
        order: which comes first.
        digits: digits after the point.
    """

    order: Literal["lat_lon", "lon_lat"] = "lat_lon"
    digits: int = 5

    @property
    def name(self) -> str:
        """See `CoordinateCodec.name`."""
        return self.order if self.digits == 5 else f"{self.order}:{self.digits}"

    def encode(self, lon: float, lat: float) -> str:
        """See `CoordinateCodec.encode`."""
        if not is_lonlat(lon, lat):
            raise ValueError(f"not on the globe: lon {lon}, lat {lat}")
        value = {"lat": self._number(lat), "lon": self._number(lon)}
        return ", ".join(f"{axis} {value[axis]}" for axis in self.order.split("_"))

    def _number(self, degrees: float) -> str:
        text = f"{degrees:.{self.digits}f}"
        return text.removeprefix("-") if float(text) == 0.0 else text  # one text for 0, not also -0.00000

    def decode(self, text: str) -> tuple[float, float]:
        """See `CoordinateCodec.decode`."""
        first, second = self.order.split("_")
        number = r"(-?\d+(?:\.\d+)?)"
        match = re.fullmatch(rf"\s*{first}\s+{number}\s*,\s*{second}\s+{number}\s*", text)
        if match is None:
            raise ValueError(f"expected '{first} …, {second} …' in decimal degrees, found {text!r}")
        value = {first: float(match[1]), second: float(match[2])}
        if not is_lonlat(value["lon"], value["lat"]):
            raise ValueError(f"not on the globe: {text!r}")
        return value["lon"], value["lat"]

    def error_bound(self) -> float:
        """See `CoordinateCodec.error_bound`: half a unit of the last digit."""
        return 0.5 * 10.0**-self.digits

    def error_bound_m(self, lat: float = 0.0) -> float:
        """See `CoordinateCodec.error_bound_m`."""
        step = math.radians(self.error_bound())
        nearest_equator = max(0.0, math.radians(abs(lat)) - step)  # where a step of longitude is longest
        return EARTH_RADIUS_M * step * math.hypot(1.0, math.cos(nearest_equator))


def coordinate_codec(name: str) -> CoordinateCodec:
    """Look a coordinate codec up: ``lat_lon`` or ``lon_lat``, either with ``:<digits>`` (default 5).

    Raises:
        UserError: for an unknown name, with the nearest one; for digits outside 0–9.
    """
    order, colon, digits = name.partition(":")
    if order not in ("lat_lon", "lon_lat"):
        raise UserError(f"unknown coordinate codec '{name}'.{suggest(order, ['lat_lon', 'lon_lat'])}")
    if colon and not re.fullmatch("[0-9]", digits):
        raise UserError(f"coordinate codec '{name}': digits must be 0 to 9, as in {order}:6")
    chosen: Literal["lat_lon", "lon_lat"] = "lat_lon" if order == "lat_lon" else "lon_lat"
    return DecimalDegrees(chosen, int(digits)) if colon else DecimalDegrees(chosen)
