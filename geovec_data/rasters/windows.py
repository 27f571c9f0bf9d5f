"""Pixels of a georeferenced raster: a window of it as an 8-bit picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.rasters.grid import Window

if TYPE_CHECKING:
    from PIL import Image

STRETCH_WINDOWS = 8  # a side: of a large raster, the stretch is taken from so many by so many windows
STRETCH_SIDE = 256  # pixels of such a window


def stretch(raster: Any, bands: tuple[int, ...]) -> NDArray[np.float64]:
    """Return (bands, 2): the 2nd and 98th percentile of each band, over the pixels that hold data.

    Taken once for a whole raster, so that its windows agree in brightness; of one larger than 2048 pixels a side, from
    windows spread evenly, so that the cost is bounded.
    """
    from rasterio.windows import Window as Read

    seen: list[list[NDArray[Any]]] = [[] for _ in bands]
    for y, height in _spread(raster.height):
        for x, width in _spread(raster.width):
            data = raster.read(list(bands), window=Read(x, y, width, height), masked=True)
            for values, band in zip(seen, data, strict=True):
                kept = band.compressed()
                values.append(kept[np.isfinite(kept)])
    found = [np.concatenate(values) for values in seen]
    rows = [np.percentile(v, [2, 98]) if v.size else np.array([0.0, 1.0]) for v in found]
    return np.array(rows, dtype=np.float64)


def _spread(length: int) -> Iterator[tuple[int, int]]:
    if length <= STRETCH_WINDOWS * STRETCH_SIDE:
        yield 0, length
        return
    for i in range(STRETCH_WINDOWS):
        yield round(i * (length - STRETCH_SIDE) / (STRETCH_WINDOWS - 1)), STRETCH_SIDE


def read_window(
    raster: Any, window: Window, bands: tuple[int, ...], limits: NDArray[np.float64] | None
) -> NDArray[np.uint8]:
    """Read a window as (bands, height, width), 0–255.

    A chip of other than the raster's own pixels is resampled with GDAL's bilinear kernel, which widens with the
    reduction (numbers of a palette's colours: the nearest).

    Args:
        raster: an opened raster.
        window: which, and how many pixels the chip has.
        bands: red, green, blue; or one (a palette's colours are looked up).
        limits: for data that is not 8 bit, what `stretch` gave: mapped linearly to 0–255.
    """
    from rasterio.enums import ColorInterp, Resampling
    from rasterio.windows import Window as Read

    cut = Read(*window.cut)
    if raster.colorinterp[bands[0] - 1] == ColorInterp.palette:
        numbers = raster.read(bands[0], window=cut)
        rows, columns = (_nearest(n, of) for n, of in zip((window.height, window.width), numbers.shape, strict=True))
        return _looked_up(numbers[np.ix_(rows, columns)], raster.colormap(bands[0]))
    shape = (len(bands), window.height, window.width)
    how = Resampling.bilinear if window.resampled else Resampling.nearest
    data = raster.read(list(bands), window=cut, out_shape=shape, resampling=how)
    return data if limits is None else to_eight_bit(data, limits)


def _nearest(count: int, of: int) -> NDArray[np.intp]:
    """Return which of some pixels stand nearest to the middles of fewer."""
    return ((np.arange(count) + 0.5) * of / count).astype(np.intp)


def _looked_up(numbers: NDArray[Any], colours: dict[int, tuple[int, ...]]) -> NDArray[np.uint8]:
    table = np.zeros((max(int(numbers.max(initial=0)), *colours) + 1, 3), dtype=np.uint8)
    for number, colour in colours.items():
        table[number] = colour[:3]
    return np.moveaxis(table[numbers], -1, 0)


def to_eight_bit(data: NDArray[Any], limits: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Map each band of (bands, height, width) linearly from its limits, (bands, 2), to 0–255; no number becomes 0."""
    low, high = limits[:, :1, None], limits[:, 1:, None]
    scaled = (data.astype(np.float64) - low) / np.maximum(high - low, 1e-12) * 255.0
    return np.asarray(np.nan_to_num(scaled, nan=0.0).clip(0, 255).round(), dtype=np.uint8)


def picture(data: NDArray[np.uint8]) -> Image.Image:
    """Make a picture of (bands, height, width) of one band or three."""
    from PIL import Image

    bands = [Image.fromarray(band) for band in np.ascontiguousarray(data)]
    return bands[0] if len(bands) == 1 else Image.merge("RGB", bands)  # a tenth of what numpy takes to interleave them


def png(image: Image.Image) -> bytes:
    """Encode a picture as PNG."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
