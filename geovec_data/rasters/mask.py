"""Where a chip holds data: the nodata value, alpha band or mask of its raster, and numbers where it holds floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.rasters.grid import Window

_CELL = 8  # pixels; a hole smaller than half a cell hides nothing that a box could bound

Mask = NDArray[np.bool_]


def valid_pixels(raster: Any, window: Window, bands: tuple[int, ...]) -> Mask:
    """Return (height, width) of a chip: which of its pixels hold data.

    Args:
        raster: an opened raster.
        window: which, and how many pixels the chip has.
        bands: those that are shown; of floats, a pixel without a number in one of them holds no data.
    """
    from rasterio.enums import Resampling
    from rasterio.windows import Window as Read

    shape, cut = (window.height, window.width), Read(*window.cut)
    # GDAL's nearest pixels are no choice: it decodes a tile anew for each of their rows, which takes seconds
    how = Resampling.bilinear if window.resampled else Resampling.nearest
    valid = raster.dataset_mask(out_shape=shape, window=cut, resampling=how) >= 128
    if np.issubdtype(raster.dtypes[bands[0] - 1], np.floating):
        values = raster.read(list(bands), window=cut, out_shape=(len(bands), *shape), resampling=how)
        valid &= np.isfinite(values).all(axis=0)
    return np.asarray(valid, dtype=np.bool_)


def seen_area(valid: Mask) -> Any:
    """Return the shapely area, in pixels, of the cells of 8 × 8 pixels of which at least half hold data."""
    import shapely

    height, width = valid.shape
    rows, columns = -(-height // _CELL), -(-width // _CELL)
    padded = np.zeros((rows * _CELL, columns * _CELL), dtype=np.float64)
    padded[:height, :width] = valid
    inside = np.zeros_like(padded)
    inside[:height, :width] = 1.0
    cells = (rows, _CELL, columns, _CELL)
    seen = padded.reshape(cells).sum(axis=(1, 3)) >= 0.5 * inside.reshape(cells).sum(axis=(1, 3))
    edges = np.diff(np.pad(seen.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    (at, first), (_, last) = np.nonzero(edges == 1), np.nonzero(edges == -1)
    boxes = shapely.box(
        first * _CELL, at * _CELL, np.minimum(last * _CELL, width), np.minimum((at + 1) * _CELL, height)
    )
    return shapely.union_all(boxes)
