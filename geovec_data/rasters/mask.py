"""Where a chip holds data: the nodata value, alpha band or mask of its raster, and numbers where it holds floats.

A mask may stand in a file beside the raster, ``a.tif.msk`` (https://gdal.org/en/stable/development/rfc/rfc15_nodatabitmask.html).
GDAL is not left to open that one, as it would take any format behind the name; nor the overviews in ``a.tif.ovr``,
which nothing here needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.rasters.file import opened
from geovec_data.rasters.formats import Unreadable, mask_file
from geovec_data.rasters.grid import Cut, Window

_CELL = 8  # pixels; a hole smaller than half a cell hides nothing that a box could bound

Mask = NDArray[np.bool_]


def mask_beside(path: Path) -> Path | None:
    """Return the file beside a raster that holds its mask, if there is one."""
    file = path.with_name(mask_file(path.name))
    return file if file.is_file() else None


def valid_pixels(raster: Any, window: Window, bands: tuple[int, ...], mask: Path | None = None) -> Mask:
    """Return (height, width) of a chip: which of its pixels hold data.

    Args:
        raster: an opened raster.
        window: which, and how many pixels the chip has.
        bands: those that are shown; of floats, a pixel without a number in one of them holds no data.
        mask: a file that says it as well.

    Raises:
        Unreadable: that file is broken, or of another size.
    """
    from rasterio.enums import Resampling
    from rasterio.windows import Window as Read

    shape, cut = (window.height, window.width), Read(*window.cut)
    # GDAL's nearest pixels are no choice: it decodes a tile anew for each of their rows, which takes seconds
    how = Resampling.bilinear if window.resampled else Resampling.nearest
    valid = stated_valid(raster, window.cut, shape, how, mask)
    if np.issubdtype(raster.dtypes[bands[0] - 1], np.floating):
        values = raster.read(list(bands), window=cut, out_shape=(len(bands), *shape), resampling=how)
        valid &= np.isfinite(values).all(axis=0)
    return np.asarray(valid, dtype=np.bool_)


def stated_valid(raster: Any, cut: Cut, shape: tuple[int, int], how: Any, mask: Path | None) -> Mask:
    """Return which pixels of a window hold data by the nodata value, the alpha band and the masks.

    Args:
        raster: an opened raster.
        cut: the window.
        shape: rows and columns that it is reduced to; those count of which at least half holds data.
        how: rasterio's resampling.
        mask: a file that says it as well.

    Raises:
        Unreadable: that file is broken, or of another size.
    """
    from rasterio.windows import Window as Read

    read = {"window": Read(*cut), "resampling": how}
    valid: Mask = raster.dataset_mask(out_shape=shape, **read) >= 128
    if mask is None:
        return valid
    with opened(mask) as file:
        if (file.width, file.height) != (raster.width, raster.height):
            size, own = f"{file.width}×{file.height}", f"{raster.width}×{raster.height}"
            raise Unreadable(f"its mask {mask.name} has {size} pixels, it has {own}")
        full = 1 if file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS") == "1" else 255
        shown = file.read(out_shape=(file.count, *shape), **read)  # of one band, or one for each band of the raster
    return np.asarray(valid & (2 * shown.astype(np.int32) >= full).all(axis=0), dtype=np.bool_)


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
