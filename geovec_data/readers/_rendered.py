"""Satellite bands as a picture that every viewer shows: three bands of a GeoTIFF, or of one file each, as 8-bit RGB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geovec_data.rasters.file import header, opened
from geovec_data.rasters.formats import Unreadable
from geovec_data.rasters.windows import picture, png, stretch, to_eight_bit

MAX_PIXELS = 2**26  # of a scene that is rendered whole; larger rasters are cut into windows by other readers

Limits = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture made from bands.

    Attributes:
        data: PNG bytes.
        said: what was done, for the scene's record: which bands, and the values that became 0 and 255.
    """

    data: bytes
    said: str


def render(bands: Sequence[tuple[Path, int]], limits: Limits | None) -> Rendered:
    """Render bands, red, green and blue, as one PNG.

    Args:
        bands: where each is: a file and the number of the band in it, from 1.
        limits: the values that become 0 and 255, the same for all bands and scenes, so that colours can be compared
            between scenes; None: the 2nd and 98th percentile of each band of each scene.

    Raises:
        Unreadable: a file is broken, lacks the band, is of another size than the others, or is too large.
    """
    pixels, ends = [], []
    for path, number in bands:
        with opened(path) as raster:
            head = header(raster, (number,)).embedded
            if head.width * head.height > MAX_PIXELS:
                raise Unreadable(f"{path.name} has {head.width}×{head.height} pixels, the limit is {MAX_PIXELS}")
            ends.append(np.array([limits]) if limits else stretch(raster, (number,)))
            pixels.append(raster.read(number))
    shapes = {p.shape for p in pixels}
    if len(shapes) > 1:
        sizes = ", ".join(f"{w}×{h}" for h, w in (p.shape for p in pixels))
        raise Unreadable(f"its bands differ in size: {sizes}")
    said = "; ".join(f"{low:g}–{high:g}" for low, high in (e[0] for e in (ends[:1] if limits else ends)))
    return Rendered(png(picture(to_eight_bit(np.stack(pixels), np.concatenate(ends)))), f"{said} to 0–255")
