"""Opening rasters that strangers wrote: drivers chosen by content, nothing opened on a file's word, sizes bounded."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geovec_data.rasters.bands import bands_to_show, is_plain, named_bands
from geovec_data.rasters.formats import SEQUENTIAL, TooLarge, Unreadable, driver_of
from geovec_data.rasters.georef import Embedded
from geovec_data.rasters.vrt import is_vrt, safe_vrt

MAX_SEQUENTIAL = 2**28  # pixels
MAX_BANDS = 4096
DECODED = (
    64 << 20
)  # bytes of decoded blocks that GDAL keeps; rasterio counts in bytes where GDAL itself takes megabytes
MAX_BLOCK = 2**30  # bytes that GDAL decodes at once to read one pixel


@dataclass(frozen=True, slots=True)
class Header:
    """What a raster says before its pixels are read.

    Attributes:
        embedded: size, CRS and affine.
        as_is: the file's own bytes are an image that every viewer shows (JPEG or PNG; 8 bit; grey or RGB).
        bands: which bands to show, 1-based: red, green, blue; or one.
        eight_bit: the values are 0–255 as they stand, or numbers of a palette's colours.
        masked: some pixels may hold no data.
        mask: a file beside the raster that says which do (`geovec_data.rasters.mask.mask_file`); None: there is none.
        sequential: it can only be decoded from the top down.
        told: which bands are shown and what they are called, for the record; empty where the raster itself marks them.
    """

    embedded: Embedded
    as_is: bool
    bands: tuple[int, ...]
    eight_bit: bool
    masked: bool
    sequential: bool
    told: str
    mask: Path | None = None


@contextmanager
def opened(path: Path, vrt_root: Path | None = None) -> Iterator[Any]:
    """Open a GeoTIFF, JPEG, PNG or JPEG 2000 file with rasterio, without reading any sidecar.

    The driver is chosen by the first bytes: left to itself GDAL would also take a VRT or a web service's XML behind a
    .tif name, and open the files and addresses that it names.

    Args:
        path: the file.
        vrt_root: folder in which the sources of a VRT must lie; None: no VRT is opened.

    Raises:
        Unreadable: when GDAL cannot open or read it.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    driver = _driver(path, vrt_root is not None)
    name = str(path) if vrt_root is None or driver != "VRT" else safe_vrt(path, vrt_root).xml
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with (
            readable(path.name),
            rasterio.Env(
                GDAL_PAM_ENABLED="NO",
                GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR",
                GDAL_VRT_ENABLE_PYTHON="NO",
                GDAL_CACHEMAX=DECODED,
            ),
            rasterio.open(name, driver=driver) as raster,
        ):
            yield raster


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what GDAL says of broken files into `Unreadable`."""
    from rasterio._err import CPLE_BaseError  # what GDAL says of broken tags; rasterio lets it through as it is
    from rasterio.crs import CRS
    from rasterio.errors import RasterioError

    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        CRS.from_epsg(4326)  # clears GDAL's last error: rasterio would report it at the next harmless question
        said = error.__cause__ if isinstance(error.__cause__, CPLE_BaseError) else error
        raise Unreadable(f"{name} cannot be read: {said}") from error


def _driver(path: Path, vrt: bool) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be opened: {error.strerror}") from error
    if (driver := driver_of(head)) is not None:
        return driver
    if vrt and path.suffix.lower() == ".vrt" and is_vrt(head):
        return "VRT"
    raise Unreadable(f"{path.name} is not a TIFF, JPEG, PNG or JPEG 2000 file")


def header(raster: Any, bands: tuple[int, ...] | None = None, mask: Path | None = None) -> Header:
    """Read the header of an opened raster.

    Args:
        raster: an opened raster.
        bands: which bands to show; None: those marked or named red, green and blue, else the first three, else the
            first.
        mask: a file that says which of its pixels hold data.

    Raises:
        Unreadable: when the raster has not that many bands, or nothing that a picture can be made of.
        TooLarge: when it cannot be read in bounded memory.
    """
    from rasterio.enums import ColorInterp, MaskFlags

    if raster.count > MAX_BANDS:
        raise TooLarge(f"it has {raster.count} bands, the limit is {MAX_BANDS}")
    shown = bands or bands_to_show(raster)
    if max(shown) > raster.count:
        raise Unreadable(f"it has {raster.count} bands, reader.bands={list(shown)}")
    _require_bounded(raster)
    kinds = {raster.dtypes[b - 1] for b in shown}
    if any(k.startswith("complex") for k in kinds):
        raise Unreadable("its values are complex numbers, of which no picture is made here")
    t = raster.transform
    embedded = Embedded(
        raster.width,
        raster.height,
        raster.crs.to_wkt() if raster.crs else None,
        None if t.is_identity else (t.a, t.b, t.c, t.d, t.e, t.f),
    )
    palette = raster.colorinterp[shown[0] - 1] == ColorInterp.palette
    few_bits = raster.tags(shown[0], ns="IMAGE_STRUCTURE").get("NBITS", "8") not in ("8", "16")
    eight = palette or (kinds == {"uint8"} and not few_bits)
    masked = mask is not None or any(flags != [MaskFlags.all_valid] for flags in raster.mask_flag_enums)
    plain = raster.driver in SEQUENTIAL and raster.count in (1, 3) and bands is None
    return Header(
        embedded,
        as_is=eight and plain,
        bands=shown,
        eight_bit=eight,
        masked=masked or any(k.startswith("float") for k in kinds),
        sequential=raster.driver in SEQUENTIAL,
        told="" if bands is None and is_plain(raster, shown) else named_bands(raster, shown),
        mask=mask,
    )


def _require_bounded(raster: Any) -> None:
    if raster.driver in SEQUENTIAL and raster.width * raster.height > MAX_SEQUENTIAL:
        raise TooLarge(f"{raster.driver} of {raster.width}×{raster.height} pixels, the limit is {MAX_SEQUENTIAL}")
    rows, columns = raster.block_shapes[0]
    together = raster.count if str(raster.interleaving).endswith("pixel") else 1
    size = math.prod((min(rows, raster.height), min(columns, raster.width), together, _bytes(raster.dtypes[0])))
    if size > MAX_BLOCK:
        raise TooLarge(
            f"its pixels are stored in blocks of {columns}×{rows} ({size / 2**30:.1f} GiB), each of which must be"
            " decoded whole; gdal_translate -co TILED=YES stores them in tiles"
        )


def _bytes(kind: str) -> int:
    import numpy as np

    return np.dtype(kind).itemsize
