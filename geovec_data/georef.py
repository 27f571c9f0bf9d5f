"""Where an image lies on Earth: from the file itself, its sidecars, a world file or a slippy-tile name.

Pixel coordinates have their origin at the top-left corner of the top-left pixel (not its centre), x to the right,
y down; the affine ``(a, b, c, d, e, f)`` maps them to the CRS: x = a·col + b·row + c, y = d·col + e·row + f.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.georef_files import Affine, NoGeoreference, prj, read_sidecar, read_world_file, sidecars

__all__ = ["Affine", "Embedded", "NoGeoreference", "Placement", "crs_name", "place", "sidecars", "tile_of"]

Points = NDArray[np.float64]  # (n, 2)

_MERCATOR_HALF = math.pi * 6378137.0  # EPSG:3857 runs from -this to +this in x and y
_MAX_ZOOM = 30
_TILE_PATH = re.compile(r"(?:^|/)(?P<z>\d{1,2})/(?P<x>\d{1,9})/(?P<y>\d{1,9})$")
_TILE_NAME = re.compile(r"(?:^|/)OAM-(?P<x>\d{1,9})-(?P<y>\d{1,9})-(?P<z>\d{1,2})$")


@dataclass(frozen=True, slots=True)
class Embedded:
    """What the image file itself says: its size, and its CRS and affine where it has them."""

    width: int
    height: int
    crs: str | None = None
    transform: Affine | None = None


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

    def window(self, x0: int, y0: int, width: int, height: int) -> Placement:
        """Return the placement of a pixel window of this image."""
        a, b, c, d, e, f = self.transform
        moved = (a, b, a * x0 + b * y0 + c, d, e, d * x0 + e * y0 + f)
        return replace(self, transform=moved, width=width, height=height)

    def to_lonlat(self, pixels: Points) -> Points:
        """Turn pixel coordinates (n, 2) into WGS84 (lon, lat) degrees (n, 2)."""
        a, b, c, d, e, f = self.transform
        x, y = pixels[:, 0], pixels[:, 1]
        lon, lat = _transformer(self.crs, False).transform(a * x + b * y + c, d * x + e * y + f)
        return np.column_stack([lon, lat])

    def to_pixels(self, lonlat: Points) -> Points:
        """Turn WGS84 (lon, lat) degrees (n, 2) into pixel coordinates (n, 2)."""
        a, b, c, d, e, f = self.transform
        x, y = _transformer(self.crs, True).transform(lonlat[:, 0], lonlat[:, 1])
        x, y, det = x - c, y - f, a * e - b * d
        return np.column_stack([(e * x - b * y) / det, (a * y - d * x) / det])

    def footprint(self) -> tuple[float, ...]:
        """Return the corners ``(lon, lat, …)``: top-left, top-right, bottom-right, bottom-left; not closed."""
        w, h = float(self.width), float(self.height)
        corners = self.to_lonlat(np.array([[0, 0], [w, 0], [w, h], [0, h]], dtype=np.float64))
        return tuple(round(float(v), 9) for v in corners.reshape(-1))

    def center(self) -> tuple[float, float]:
        """Return (lon, lat) of the image's centre."""
        lon, lat = self.to_lonlat(np.array([[self.width / 2, self.height / 2]]))[0]
        return round(float(lon), 7), round(float(lat), 7)

    def gsd(self) -> float:
        """Return ground metres per pixel at the centre: geodesic, so true in Web Mercator and in degrees too."""
        from pyproj import Geod

        x, y = self.width / 2, self.height / 2
        ends = self.to_lonlat(np.array([[x - 1, y], [x + 1, y], [x, y - 1], [x, y + 1]]))
        geod = Geod(ellps="WGS84")
        _, _, across = geod.inv(*ends[0], *ends[1])
        _, _, down = geod.inv(*ends[2], *ends[3])
        return round(math.sqrt(across * down) / 2, 6)


@lru_cache(maxsize=64)
def _transformer(crs: str, to_crs: bool) -> Any:
    from pyproj import Transformer

    pair = ("EPSG:4326", crs) if to_crs else (crs, "EPSG:4326")
    return Transformer.from_crs(*pair, always_xy=True)


def crs_name(text: str) -> str:
    """Return the authority string of a CRS given as a code, WKT or PROJ text; its WKT where it has no code.

    Raises:
        NoGeoreference: when PROJ cannot read it.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_user_input(text.strip())
    except CRSError as error:
        raise NoGeoreference(f"CRS '{text.strip()[:60]}' is not understood ({str(error)[:120]})") from error
    # 70 is PROJ's confidence for "same definition, other name", as GDAL writes WKT without axis or authority
    code = crs.to_authority(min_confidence=70)
    return f"{code[0]}:{code[1]}" if code else str(crs.to_wkt())


def place(path: Path, name: str, embedded: Embedded, crs: str | None = None, *, tile_names: bool = False) -> Placement:
    """Find where an image lies.

    Args:
        path: the image file; its sidecars are looked for beside it.
        name: its source-relative posix path.
        embedded: what the file itself says.
        crs: the CRS of images that have a transform and do not name theirs (world files never do).
        tile_names: as the last resort read `name` as a slippy tile (`tile_of`). Only for folders of map tiles:
            elsewhere ``12/345/678.jpg`` can be a class, a batch and a number.

    Raises:
        NoGeoreference: when nothing places it, or what does is broken; the message names it.
    """
    found: list[tuple[str, Affine, str | None]] = []
    aux, world = read_sidecar(path), read_world_file(path)
    if aux is not None:
        found.append(("sidecar", *aux))
    if embedded.transform is not None:
        found.append(("embedded", embedded.transform, embedded.crs))
    if world is not None:
        found.append(("world file", world, prj(path)))
    if tile_names and not found and (tile := tile_of(name)) is not None:
        found.append(("tile name", _tile_affine(*tile, embedded.width, embedded.height), "EPSG:3857"))
    if not found:
        name_too = ", and its name is not z/x/y or OAM-x-y-z" if tile_names else ""
        raise NoGeoreference(f"no georeferencing: none embedded, no .aux.xml, no world file{name_too}")
    source, transform, own = found[0]
    named = own or embedded.crs or crs
    if named is None:
        raise NoGeoreference(f"its {source} gives a transform but no CRS; set reader.crs=EPSG:…")
    placement = Placement(crs_name(named), transform, embedded.width, embedded.height, source)
    _check(placement)
    return placement


def _check(placement: Placement) -> None:
    from pyproj.exceptions import ProjError

    a, b, _, d, e, _ = placement.transform
    if not all(map(math.isfinite, placement.transform)) or a * e - b * d == 0.0:
        raise NoGeoreference(f"its {placement.source} gives a degenerate transform {placement.transform}")
    try:
        corners = np.array(placement.footprint()).reshape(-1, 2)
    except ProjError as error:
        raise NoGeoreference(f"no way from {placement.crs[:40]} to degrees ({str(error)[:120]})") from error
    if not np.isfinite(corners).all() or (np.abs(corners) > [180.0, 90.0]).any():
        raise NoGeoreference(
            f"its {placement.source} puts it at {placement.transform[2]:.1f}, {placement.transform[5]:.1f}, which is"
            f" nowhere in {placement.crs[:40]}; is reader.crs right?"
        )


def tile_of(name: str) -> tuple[int, int, int] | None:
    """Read (z, x, y) from a slippy-tile path ``…/z/x/y.png`` or an OpenAerialMap chip name ``OAM-x-y-z.png``.

    y counts from the north (XYZ, not TMS). None when the name is neither or the numbers are no tile.
    """
    stem = name.rpartition(".")[0] or name
    match = _TILE_PATH.search(stem) or _TILE_NAME.search(stem)
    if match is None:
        return None
    z, x, y = int(match["z"]), int(match["x"]), int(match["y"])
    return (z, x, y) if z <= _MAX_ZOOM and max(x, y) < 2**z else None


def _tile_affine(z: int, x: int, y: int, width: int, height: int) -> Affine:
    side = 2 * _MERCATOR_HALF / 2**z
    return side / width, 0.0, x * side - _MERCATOR_HALF, 0.0, -side / height, _MERCATOR_HALF - y * side
