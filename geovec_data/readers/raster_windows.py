"""Pixels of a georeferenced raster: its header, the windows it is cut into, and a window as PNG bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.georef import Embedded

# The driver is chosen here by the first bytes: left to itself GDAL would also take a VRT or a web service's XML
# behind a .tif name, and open the files and addresses that it names.
MAGIC = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),
    (b"MM\0+", "GTiff"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n", "PNG"),
    (b"\0\0\0\x0cjP  ", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
)
STRETCH_PIXELS = 1024  # side of the decimated copy from which the stretch of 16-bit data is taken


class Unreadable(Exception):
    """GDAL cannot read the raster; the message says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a raster says before its pixels are read.

    Attributes:
        embedded: size, CRS and affine.
        as_is: the file's own bytes are an image that every viewer shows (JPEG or PNG; 8 bit; grey or RGB).
        bands: which bands to show, 1-based: red, green, blue; or one.
        eight_bit: the values are 0–255 as they stand.
        masked: some pixels may hold no data.
    """

    embedded: Embedded
    as_is: bool
    bands: tuple[int, ...]
    eight_bit: bool
    masked: bool


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a GeoTIFF, JPEG, PNG or JPEG 2000 file with rasterio, without reading any sidecar.

    Raises:
        Unreadable: when GDAL cannot open or read it.
    """
    import rasterio
    from rasterio._err import CPLE_BaseError  # what GDAL says of broken tags; rasterio lets it through as it is
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    driver = _driver(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with (
                rasterio.Env(GDAL_PAM_ENABLED="NO", GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_CACHEMAX=128),
                rasterio.open(path, driver=driver) as raster,
            ):
                yield raster
        except (RasterioError, CPLE_BaseError) as error:
            raise Unreadable(f"{path.name} cannot be read: {error}") from error


def _driver(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be opened: {error.strerror}") from error
    for magic, driver in MAGIC:
        if head.startswith(magic):
            return driver
    raise Unreadable(f"{path.name} is not a TIFF, JPEG, PNG or JPEG 2000 file")


def header(raster: Any, bands: tuple[int, ...] | None = None) -> Header:
    """Read the header of an opened raster.

    Args:
        raster: an opened raster.
        bands: which bands to show; None: those marked red, green and blue, else the first three, else the first.

    Raises:
        Unreadable: when the raster has not that many bands.
    """
    from rasterio.enums import MaskFlags

    t = raster.transform
    embedded = Embedded(
        raster.width,
        raster.height,
        raster.crs.to_wkt() if raster.crs else None,
        None if t.is_identity else (t.a, t.b, t.c, t.d, t.e, t.f),
    )
    shown = bands or _bands(raster)
    if max(shown) > raster.count:
        raise Unreadable(f"it has {raster.count} bands, reader.bands={list(shown)}")
    eight = all(raster.dtypes[b - 1] == "uint8" for b in shown)
    masked = any(flags != [MaskFlags.all_valid] for flags in raster.mask_flag_enums)
    plain = raster.driver in ("JPEG", "PNG") and raster.count in (1, 3) and bands is None
    return Header(embedded, eight and plain, shown, eight, masked)


def _bands(raster: Any) -> tuple[int, ...]:
    from rasterio.enums import ColorInterp

    marked = list(raster.colorinterp)
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if all(c in marked for c in colours):
        return tuple(marked.index(c) + 1 for c in colours)
    return (1, 2, 3) if raster.count >= 3 else (1,)


def windows(width: int, height: int, size: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Cut an image into windows ``(x0, y0, width, height)`` of `size` pixels, row by row.

    An image of up to 1.5 times `size` on both sides stays whole. Else neighbours overlap by at least `overlap`
    pixels and the last window of a row or column is moved back to end at the edge, so that all are full size.
    """
    if max(width, height) <= 1.5 * size:
        return [(0, 0, width, height)]
    w, h = min(size, width), min(size, height)
    return [(x, y, w, h) for y in _starts(height, h, overlap) for x in _starts(width, w, overlap)]


def _starts(length: int, size: int, overlap: int) -> list[int]:
    if size >= length:  # a strip no wider than a window
        return [0]
    starts = list(range(0, length - size + 1, size - overlap))
    if starts[-1] + size < length:
        starts.append(length - size)
    return starts


def stretch(raster: Any, bands: tuple[int, ...]) -> NDArray[np.float64]:
    """Return (bands, 2): the 2nd and 98th percentile of each band.

    Taken once from a decimated copy of the whole raster, so that its windows agree in brightness.
    """
    shape = (len(bands), min(raster.height, STRETCH_PIXELS), min(raster.width, STRETCH_PIXELS))
    rows = []
    for band in raster.read(list(bands), out_shape=shape, masked=True):
        values = band.compressed()
        values = values[np.isfinite(values)]
        rows.append(np.percentile(values, [2, 98]) if values.size else np.array([0.0, 1.0]))
    return np.array(rows, dtype=np.float64)


def has_data(raster: Any, window: tuple[int, int, int, int]) -> float:
    """Return the share of a window's pixels that hold data (nodata value, alpha band or mask)."""
    from rasterio.windows import Window

    mask = raster.dataset_mask(window=Window(*window))
    return float(np.count_nonzero(mask)) / (window[2] * window[3])


def read_window(
    raster: Any, window: tuple[int, int, int, int], bands: tuple[int, ...], limits: NDArray[np.float64] | None
) -> bytes:
    """Read a window as PNG.

    Args:
        raster: an opened raster.
        window: ``(x0, y0, width, height)``.
        bands: red, green, blue; or one (a palette's colours are looked up).
        limits: for data that is not 8 bit, what `stretch` gave: mapped linearly to 0–255.
    """
    from rasterio.enums import ColorInterp
    from rasterio.windows import Window

    data = raster.read(list(bands), window=Window(*window))
    if limits is not None:
        data = to_eight_bit(data, limits)
    elif raster.colorinterp[bands[0] - 1] == ColorInterp.palette:
        palette = np.zeros((256, 3), dtype=np.uint8)
        for value, colour in raster.colormap(bands[0]).items():
            palette[value] = colour[:3]
        data = np.moveaxis(palette[data[0]], -1, 0)
    return png(data)


def to_eight_bit(data: NDArray[Any], limits: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Map each band of (bands, height, width) linearly from its limits, (bands, 2), to 0–255; no number becomes 0."""
    low, high = limits[:, :1, None], limits[:, 1:, None]
    scaled = (data.astype(np.float64) - low) / np.maximum(high - low, 1e-12) * 255.0
    return np.asarray(np.nan_to_num(scaled, nan=0.0).clip(0, 255).round(), dtype=np.uint8)


def png(data: NDArray[np.uint8]) -> bytes:
    """Encode (bands, height, width) of one band or three as PNG."""
    from PIL import Image

    pixels = np.ascontiguousarray(np.moveaxis(data, 0, -1))
    out = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(out, "PNG")
    return out.getvalue()
