"""Where the labels of an image must be drawn, so that its footprints lie on its buildings.

The labels move and the image's own georeferencing stays: which of the two is wrong cannot be told from them. They move
by default, as that does good where they lie beside their buildings (medians, by hand: Nairobi from 2.3 to 0.2 m,
Manhattan from 0.4 to 0.3 m) and no harm where they do not (Banepa, 0.2 m before and after, which is what a hand can
measure; `benchmarks/osm_alignment.py`). Of an image that looks from the side the roofs are found, and what lies on the
ground moves with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.align import RADIUS, STEP, Estimate, borrowed, estimate, refused, unfit
from geovec_data.osm.labels.feature import Feature
from geovec_data.rasters.formats import Unreadable
from geovec_data.rasters.grid import Cut
from geovec_data.rasters.mask import stated_valid
from geovec_data.rasters.placement import Placement

_DEGREE = 111_195.0  # metres of a degree of latitude
MOST_CELLS = 2**20  # of a larger image the cells are larger: its transforms take 16 bytes a cell, some at a time
_KEPT = 4096  # estimates of a process that images around may ask for


@dataclass(frozen=True, slots=True)
class Shot:
    """An image, or a window of one, that can be asked for its pixels.

    Attributes:
        name: source-relative posix path of the file.
        cut: pixels of the file.
        placement: of these pixels.
        bands: which to look at, 1-based.
        masked: some pixels may hold no data.
        mask: a file beside the raster that says which do, if there is one.
    """

    name: str
    cut: Cut
    placement: Placement
    bands: tuple[int, ...]
    masked: bool
    mask: Path | None = None


class Aligner:
    """Estimates offsets, each once in a process.

    Args:
        opened: opens the file of a name.
        footprints: the buildings whose bounds touch a placement.
    """

    def __init__(
        self,
        opened: Callable[[str], AbstractContextManager[Any]],
        footprints: Callable[[Placement], Iterable[Feature]],
    ) -> None:
        self._opened = opened
        self._footprints = footprints
        self._own = lru_cache(maxsize=_KEPT)(self._estimate)

    def estimate(self, shot: Shot, around: Callable[[], Iterable[Shot]]) -> Estimate:
        """Estimate the offset of an image's labels.

        Args:
            shot: the image.
            around: the nearest images of the same source; asked only where `shot` cannot tell.
        """
        found = self._own(shot)
        return found if found.fault is None else borrowed(found, [*map(self._own, around())])

    def _estimate(self, shot: Shot) -> Estimate:
        step = cell_of(shot.placement)
        if step * min(shape_of(shot.placement)) < 2 * RADIUS:
            return refused(f"the image is narrower than {2 * RADIUS:g} m")
        footprints = self.footprints(shot)
        if fault := unfit(step, len(footprints)):
            return refused(fault, len(footprints))  # told without reading a pixel
        try:
            grey, valid = self.pixels(shot)
        except Unreadable as error:  # as GDAL shrinks, it may touch broken parts of a VRT that the window does not
            return refused(str(error))
        return estimate(grey, step, footprints, valid)

    def footprints(self, shot: Shot, margin: float = RADIUS) -> list[list[NDArray[np.float64]]]:
        """Return the rings of each footprint in an image or up to `margin` metres beside it, in cells."""
        place = shot.placement
        rows, columns = shape_of(place)
        across, down = place.pixel_sides()
        left, over = math.ceil(margin / across), math.ceil(margin / down)
        wide = place.window(-left, -over, place.width + 2 * left, place.height + 2 * over)
        scale = np.array([columns / place.width, rows / place.height])
        return [[ring * scale for ring in rings_of(f, place)] for f in distinct(self._footprints(wide))]

    def pixels(self, shot: Shot) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """Return an image in grey cells, and which of them hold data (None: all).

        Raises:
            Unreadable: the raster is broken.
        """
        from rasterio.enums import Resampling
        from rasterio.windows import Window

        window, bands, shape = Window(*shot.cut), list(shot.bands), shape_of(shot.placement)
        with self._opened(shot.name) as raster:
            data = raster.read(bands, window=window, out_shape=(len(bands), *shape), resampling=Resampling.average)
            grey = np.nan_to_num(data.astype(np.float64).mean(0))
            if not shot.masked:
                return grey, None
            # not the nearest pixels: GDAL decodes a tile anew for each of their rows, which takes seconds
            return grey, stated_valid(raster, shot.cut, shape, Resampling.average, shot.mask)


def cell_of(place: Placement) -> float:
    """Return the metres of a cell: no finer than the estimator wants, than the pixels, or than memory allows."""
    across, down = place.pixel_sides()
    return max(STEP, across, down, math.sqrt(place.width * across * place.height * down / MOST_CELLS))


def shape_of(place: Placement) -> tuple[int, int]:
    """Return rows and columns of cells."""
    step, (across, down) = cell_of(place), place.pixel_sides()
    return max(round(place.height * down / step), 1), max(round(place.width * across / step), 1)


def drawn_at(found: Estimate, placement: Placement) -> Placement:
    """Return where labels must be drawn to lie on what the image shows: a little beside where the image lies."""
    across, down = placement.pixel_sides()
    return placement.window(-found.dx / across, found.dy / down, placement.width, placement.height)


def facts_of(found: Estimate, placement: Placement, applied: bool) -> tuple[tuple[str, str], ...]:
    """Return an estimate as attributes of a scene: metres east and north by which the labels must move."""
    verdict = "refused" if found.fault is not None else "applied" if applied else "measured"
    east, north = _east_north(found, placement)
    facts = [("align", verdict)]
    if found.fault is not None:
        facts.append(("align_fault", found.fault))
    if found.fault is None or found.error:
        facts += [("align_east_m", f"{east:.3f}"), ("align_north_m", f"{north:.3f}")]
        facts.append(("align_error_m", f"{found.error:.3f}"))
    if found.lent_by:
        facts.append(("align_lent_by", str(found.lent_by)))
    elif found.error:
        facts += [("align_rival", f"{found.rival:.3f}"), ("align_height", f"{found.height:.2f}")]
    facts.append(("align_footprints", str(found.footprints)))
    return tuple(facts)


def _east_north(found: Estimate, placement: Placement) -> tuple[float, float]:
    """Turn an offset along the image's axes into metres east and north."""
    right, down = (step / np.hypot(*step) for step in _steps(placement))
    east, north = found.dx * right - found.dy * down
    return float(east) + 0.0, float(north) + 0.0


def _steps(placement: Placement) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (east, north) in metres of one pixel to the right and of one down, at the image's centre."""
    x, y = placement.width / 2, placement.height / 2
    here, right, down = placement.to_lonlat(np.array([[x, y], [x + 1, y], [x, y + 1]]))
    scale = np.array([_DEGREE * math.cos(math.radians(here[1])), _DEGREE])
    return (right - here) * scale, (down - here) * scale


def distinct(features: Iterable[Feature]) -> Iterator[Feature]:
    """Yield each geometry once: two extracts may overlap, and a footprint must not vouch for itself."""
    seen: set[bytes] = set()
    for feature in features:
        if feature.geometry is not None and feature.geometry.wkb not in seen:
            seen.add(feature.geometry.wkb)
            yield feature


def rings_of(feature: Feature, placement: Placement) -> list[NDArray[np.float64]]:
    """Return the rings of a feature, outer and inner, closed, in pixels."""
    import shapely

    shape = shapely.transform(feature.geometry, placement.to_pixels)
    polygons = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"]
    return [shapely.get_coordinates(ring) for p in polygons for ring in (p.exterior, *p.interiors)]
