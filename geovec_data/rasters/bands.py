"""Which bands of a raster make a true-colour picture: as they are marked, else as they are named, else the first."""

from __future__ import annotations

import re
from typing import Any

from geovec_data.rasters.formats import Unreadable

# names of bands in red, green, blue order, matched whole and without regard to case, blanks and underscores:
# plain words; Sentinel-2 and Landsat 8/9 (also with the prefixes of their products); 4-band orthophotos say R G B N
_NAMES = (
    ("red", "green", "blue"),
    ("r", "g", "b"),
    ("b04", "b03", "b02"),
    ("b4", "b3", "b2"),
    ("srb4", "srb3", "srb2"),
)


def bands_to_show(raster: Any) -> tuple[int, ...]:
    """Choose the bands to show, 1-based.

    Those whose colour interpretation is red, green and blue; else those whose description names them so; else the
    first three; else, of one band (with or without alpha) or a palette, the first.

    Raises:
        Unreadable: its colours are printing inks.
    """
    from rasterio.enums import ColorInterp

    marked = list(raster.colorinterp)
    if ColorInterp.cyan in marked:
        raise Unreadable("its colours are CMYK, for print; convert it to RGB")
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if all(c in marked for c in colours):
        return tuple(marked.index(c) + 1 for c in colours)
    if marked[0] == ColorInterp.palette:
        return (1,)
    called = [re.sub(r"[\s_-]+", "", (d or "").lower()) for d in raster.descriptions]
    for names in _NAMES:
        if all(called.count(n) == 1 for n in names):
            return tuple(called.index(n) + 1 for n in names)
    return (1, 2, 3) if raster.count - (ColorInterp.alpha in marked) >= 3 else (1,)


def is_plain(raster: Any, bands: tuple[int, ...]) -> bool:
    """Tell whether the raster marks these bands as red, green and blue, or has no other to show."""
    from rasterio.enums import ColorInterp

    marks = [raster.colorinterp[b - 1] for b in bands]
    return len(bands) == 1 or marks == [ColorInterp.red, ColorInterp.green, ColorInterp.blue]


def named_bands(raster: Any, bands: tuple[int, ...]) -> str:
    """Name bands for the record: their numbers, with their descriptions where they have any."""
    names = [raster.descriptions[b - 1] for b in bands]
    return ", ".join(f"{b} ({n})" if n else str(b) for b, n in zip(bands, names, strict=True))
