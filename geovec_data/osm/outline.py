"""The form of an outline in a word, said only where it is clearly so."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_FILLS = 0.92  # of its tightest rectangle: a rectangle
_SQUARE, _LONG = 1.15, 3.5  # longer by shorter side of that rectangle: at most, at least
_ROUND = 0.9  # 4π·area / perimeter²; a regular hexagon has 0.91, a square 0.79
_ROUND_CORNERS = 6
_CORNER = 25.0  # degrees that an outline turns by at a corner
_ELL = (0.45, 0.82)  # share of its tightest rectangle that an L fills


def shape_of(outline: Any) -> str | None:
    """Name a form: ``square``, ``rectangular``, ``long``, ``round`` or ``L-shaped``.

    Args:
        outline: shapely geometry in pixels, or any unit that is the same along both axes.

    Returns:
        The word; None where none is clearly right, or the outline has holes or several parts.
    """
    import shapely

    if outline.geom_type != "Polygon" or outline.interiors or outline.area <= 0:
        return None
    corners = shapely.get_coordinates(outline.exterior)[:-1]
    if 4 * math.pi * outline.area / outline.length**2 >= _ROUND and len(corners) >= _ROUND_CORNERS:
        return "round"
    tight = outline.minimum_rotated_rectangle
    short, long = sides(outline)
    if short <= 0:
        return None
    filled = outline.area / tight.area
    if long / short >= _LONG and filled >= _ELL[1]:
        return "long"
    if filled >= _FILLS:
        return "square" if long / short <= _SQUARE else "rectangular"
    turns = _turns(corners)
    if _ELL[0] <= filled <= _ELL[1] and len(turns) == 6 and min((turns > 0).sum(), (turns < 0).sum()) == 1:
        return "L-shaped"
    return None


def sides(outline: Any) -> tuple[float, float]:
    """Return the shorter and the longer side of the tightest rectangle around an outline."""
    import shapely

    ring = shapely.get_coordinates(outline.minimum_rotated_rectangle)
    if len(ring) < 4:
        return 0.0, 0.0
    a, b = (float(np.hypot(*(ring[i + 1] - ring[i]))) for i in (0, 1))
    return min(a, b), max(a, b)


def _turns(corners: Any) -> Any:
    """The angles, in degrees, by which the ring turns at its corners; bends that are no corners left out."""
    ahead = np.roll(corners, -1, axis=0) - corners
    behind = np.roll(ahead, 1, axis=0)
    cross = behind[:, 0] * ahead[:, 1] - behind[:, 1] * ahead[:, 0]
    turns = np.degrees(np.arctan2(cross, (behind * ahead).sum(axis=1)))
    return turns[np.abs(turns) >= _CORNER]
