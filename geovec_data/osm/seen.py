"""What the pixels of a region say against the map: whether it can be seen, and whether its colour may be told.

A map may be older or younger than the image, and may lie a few metres off. So nothing is said of a building whose place
is mostly green (a tree over it, or no building at all), nor of ground in the shadow; and no colour of what is small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from geovec_data.expressions.colour import in_polygon
from geovec_data.records import Region

_COLOURED = frozenset({"building", "sports pitch"})  # a garden or a road has the colour of season and shadows
_LEAST_COLOURED = 4.0  # metres across: a map may lie two metres off
_OVERGROWN = 0.5  # share of green pixels from which a building is not seen
_GREEN = 0.2  # share of green pixels from which the colour of a roof is not told: it may be that of a tree beside it
_BROWN = 0.25  # share, of black too, from which none is told: tiles are red to one and brown to another, shade is gray
_PLANTED = 0.2  # share of green pixels that a garden, a lawn or a wood must have
_RIM = 16.0  # pixels across, under which of a thing cut by the image only a rim is seen
_HUT = 20.0  # pixels across, under which a building in the dark is not seen, as ground is not
_DARK = 72  # of 255: where half of a piece of ground is darker it lies in the shadow, and nobody can tell what it is


def told_colours(region: Region, gsd: float, colours: Mapping[str, float]) -> dict[str, float]:
    """Return the colours of a region that may be told: all or none.

    Args:
        region: a region of a checked scene.
        gsd: metres a pixel.
        colours: colour name → share of the region's pixels.
    """
    x0, y0, x1, y1 = region.box
    wide = min(x1 - x0, y1 - y0) * gsd >= _LEAST_COLOURED
    unsure = _green(colours) >= _GREEN or max(colours.get(c, 0.0) for c in ("brown", "black")) >= _BROWN
    known = wide and _is(region, _COLOURED) and not (_is(region, {"building"}) and unsure)
    return dict(colours) if known else {}


def unseen(region: Region, colours: Mapping[str, float], rgb: npt.NDArray[np.uint8]) -> bool:
    """Tell whether the image hardly shows the region: its rim, a building overgrown, no green plants, dark ground.

    Args:
        region: a region of a checked scene.
        colours: colour name → share of the region's pixels.
        rgb: the image, shape ``(height, width, 3)``.
    """
    x0, y0, x1, y1 = region.box
    if region.visible < 1 and min(x1 - x0, y1 - y0) < _RIM:
        return True
    if _is(region, {"building"}) and (min(x1 - x0, y1 - y0) >= _HUT or _green(colours) >= _OVERGROWN):
        return _green(colours) >= _OVERGROWN
    if _is(region, {"vegetation"}) and _green(colours) < _PLANTED:
        return True
    left, top = int(x0), int(y0)
    part = rgb[top : max(math.ceil(y1), top + 1), left : max(math.ceil(x1), left + 1)]
    ys, xs = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]] + 0.5
    inside = in_polygon(xs, ys, region.polygon) if region.polygon else np.ones(xs.shape, np.bool_)
    return bool(inside.any()) and float(np.median(part.max(axis=2)[inside])) < _DARK


def _is(region: Region, names: frozenset[str] | set[str]) -> bool:
    return bool(names & {region.category, *region.ancestors})


def _green(colours: Mapping[str, float]) -> float:
    return colours.get("green", 0.0) + colours.get("greenish", 0.0)
