"""Where an image of RSVQA-HR lies: its metadata names the left and the bottom edge, whatever the keys say."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from geovec_data.rasters.georef import Placement
from geovec_data.untrusted.images import BadImage, open_image

_CRS = "EPSG:3857"
_EARTH = 6378137.0  # radius of Web Mercator's sphere, metres
_HALF = math.pi * _EARTH
_METRES = re.compile(r"(\d*\.?\d+)\s*m")
_HEADER = 1 << 20  # bytes that hold an image's header
_MAX_PIXELS = 2**28


def placed_by_bottom_edge(path: Path, left: float | None, bottom: float | None, resolution: str) -> dict[str, Any]:
    """Return an image's position as fields of a Scene; empty where the numbers place nothing.

    ``upperleft_map_y`` of RSVQA-HR is the *bottom* edge: verified against the GeoTIFF of the same image and by laying
    its image over the map. Ground metres become Web Mercator's by 1/cos(latitude).

    Args:
        path: the image file, for its size.
        left: x of the left edge, EPSG:3857 metres.
        bottom: y of the bottom edge, EPSG:3857 metres.
        resolution: ground sample distance as written, e.g. ``.1524m``.
    """
    said = _METRES.fullmatch(resolution)
    if left is None or bottom is None or said is None or max(abs(left), abs(bottom)) > _HALF:
        return {}
    try:
        with path.open("rb") as file:
            width, height = open_image(file.read(_HEADER), _MAX_PIXELS).size
    except (OSError, BadImage):
        return {}  # the checks refuse the image and say why
    ground = float(said[1])
    # the latitude of the centre decides the scale, and the scale the centre: two rounds settle it to a nanometre
    middle = bottom
    for _ in range(3):
        pixel = ground * math.cosh(middle / _EARTH)  # 1 / cos(latitude) in Web Mercator
        middle = bottom + pixel * height / 2
    place = Placement(_CRS, (pixel, 0.0, left, 0.0, -pixel, bottom + pixel * height), width, height, "metadata")
    lon, lat = place.center()
    return {
        "crs": place.crs,
        "transform": place.transform,
        "footprint": place.footprint(),
        "lon": lon,
        "lat": lat,
        "gsd": ground,
    }
