"""A window of a raster as the picture of a chip, with what was done to make it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.phash import thumbnail
from geovec_data.rasters.file import Header, readable
from geovec_data.rasters.grid import Window
from geovec_data.rasters.mask import seen_area, valid_pixels
from geovec_data.rasters.placement import Placement
from geovec_data.rasters.windows import picture, png, read_window, stretch
from geovec_data.untrusted.images import BadImage

KEPT = 256  # rasters of which a process remembers the stretch


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of a chip.

    Attributes:
        data: PNG bytes; None: the file's own bytes.
        attributes: what was done: ``bands``, ``stretch``, ``resampled_from``.
        seen: shapely area of its pixels that hold data; None: all of it.
        thumb: see `Scene.thumb`; empty with `data` None.
    """

    data: bytes | None
    attributes: tuple[tuple[str, str], ...]
    seen: Any
    thumb: bytes = b""


class Pictures:
    """Makes pictures of windows. One a process: what holds for a whole raster is found once.

    Args:
        min_data: least share of a picture's pixels that must hold data.
    """

    def __init__(self, min_data: float) -> None:
        self._min_data = min_data
        self._limits: dict[str, NDArray[np.float64]] = {}

    def of(self, name: str, raster: Any, head: Header, whole: Placement, window: Window) -> Picture:
        """Make the picture of one window.

        Args:
            name: source-relative path of the raster.
            raster: the opened raster.
            head: its header.
            whole: where it lies.
            window: which part of it.

        Raises:
            BadImage: ``no_data``.
            Unreadable: the raster is broken there.
        """
        with readable(name):
            seen = self._seen(raster, head, window) if head.masked else None
            if head.as_is and window.cut[2:] == (whole.width, whole.height) and not window.resampled:
                return Picture(None, (), seen)
            limits = None if head.eight_bit else self._stretch(name, raster, head)
            image = picture(read_window(raster, window, head.bands, limits))
        made: list[tuple[str, str]] = []
        if head.told:
            made.append(("bands", head.told))
        if limits is not None:
            ends = zip(head.bands, limits, strict=True)
            made.append(("stretch", "; ".join(f"band {b}: {low:g}–{high:g}" for b, (low, high) in ends) + " to 0–255"))
        if window.resampled:
            made.append(("resampled_from", f"{whole.window(*window.cut).gsd():.4g} m"))
        return Picture(png(image), tuple(made), seen, thumbnail(image.convert("L")))

    def _seen(self, raster: Any, head: Header, window: Window) -> Any:
        valid = valid_pixels(raster, window, head.bands, head.mask)
        share = float(valid.mean())
        if share == 0.0:
            raise BadImage("no_data", "none of its pixels holds data")
        if share < self._min_data:
            raise BadImage("no_data", f"{share:.0%} of it holds data, min_data={self._min_data}")
        return None if share == 1.0 else seen_area(valid)

    def _stretch(self, name: str, raster: Any, head: Header) -> NDArray[np.float64]:
        if name not in self._limits:
            if len(self._limits) >= KEPT:
                self._limits.clear()
            self._limits[name] = stretch(raster, head.bands)
        return self._limits[name]
