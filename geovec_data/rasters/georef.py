"""Where an image lies on Earth: from the file itself, its sidecars, a world file or a slippy-tile name."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geovec_data.rasters.georef_files import Affine, NoGeoreference, prj, read_sidecar, read_world_file, sidecars
from geovec_data.rasters.placement import Placement

__all__ = ["Affine", "Embedded", "NoGeoreference", "Placement", "crs_name", "place", "sidecars", "tile_of"]

_MERCATOR_HALF = math.pi * 6378137.0  # EPSG:3857 runs from -this to +this in x and y
_MAX_ZOOM = 30
_GROUND = (1e-3, 1e6)  # metres a pixel: anything else is a slip in the transform
_MOST_STRETCHED = 20.0  # a pixel in degrees is this much narrower than high only above 87 degrees of latitude
_LEAST_ANGLE = 45.0  # degrees between rows and columns
_SAID = {"embedded": "header"}  # in messages
_TILE_PATH = re.compile(r"(?:^|/)(?P<z>\d{1,2})/(?P<x>\d{1,9})/(?P<y>\d{1,9})$")
_TILE_NAME = re.compile(r"(?:^|/)OAM-(?P<x>\d{1,9})-(?P<y>\d{1,9})-(?P<z>\d{1,2})$")


@dataclass(frozen=True, slots=True)
class Embedded:
    """What the image file itself says: its size, and its CRS and affine where it has them."""

    width: int
    height: int
    crs: str | None = None
    transform: Affine | None = None


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
        raise NoGeoreference(f"its {_SAID.get(source, source)} gives a transform but no CRS; set reader.crs=EPSG:…")
    placement = Placement(crs_name(named), transform, embedded.width, embedded.height, source)
    _check(placement)
    return placement


def _check(placement: Placement) -> None:
    from pyproj.exceptions import ProjError

    a, b, c, d, e, f = placement.transform
    source = f"its {_SAID.get(placement.source, placement.source)}"
    if not all(map(math.isfinite, placement.transform)) or a * e - b * d == 0.0:
        raise NoGeoreference(f"{source} gives a degenerate transform {placement.transform}")
    turn = math.degrees(math.asin(min(abs(a * e - b * d) / (math.hypot(a, d) * math.hypot(b, e)), 1.0)))
    if turn < _LEAST_ANGLE:
        raise NoGeoreference(f"{source} shears it: its rows and columns meet at {turn:.0f}°, not near 90°")
    nowhere = f"{source} puts it at {c:.1f}, {f:.1f}, which is nowhere in {placement.crs[:40]}; is reader.crs right?"
    try:
        corners = np.array(placement.footprint()).reshape(-1, 2)
        sides = placement.pixel_sides()
    except ProjError as error:
        raise NoGeoreference(f"no way from {placement.crs[:40]} to degrees ({str(error)[:120]})") from error
    except ValueError as error:  # what the geodesic makes of a latitude beyond the pole
        raise NoGeoreference(nowhere) from error
    # an image may lie across the antimeridian, or in degrees that run from 0 to 360, but not a world further
    if not np.isfinite(corners).all() or (np.abs(corners) > [360.0, 90.0]).any():
        raise NoGeoreference(nowhere)
    if not (_GROUND[0] <= min(sides) and max(sides) <= min(_GROUND[1], min(sides) * _MOST_STRETCHED)):
        raise NoGeoreference(
            f"{source} gives pixels of {sides[0]:.3g} m × {sides[1]:.3g} m on the ground, which no image has"
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
