"""An offset for an image that cannot tell its own, from images around it that can and agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from geovec_data.align.estimate import MAX_ERROR, Estimate
from geovec_data.geometry.geo import EARTH_RADIUS_M, distance_m

NEAR = 500.0
"""Metres within which images of one source are taken to share their offset, if they agree."""
MOST = 4  # nearest images that are asked
_FEWEST = 2  # that must know


def borrowed(own: Estimate, others: Sequence[Estimate]) -> Estimate:
    """Return the median of the others' believed estimates, or `own` where they are too few or disagree.

    Args:
        own: an estimate that is not believed.
        others: those of the nearest images of the same source.
    """
    known = np.array([(e.dx, e.dy) for e in others if e.fault is None], dtype=np.float64).reshape(-1, 2)
    if len(known) < _FEWEST:
        return own
    middle = np.median(known, axis=0)
    error = float(np.hypot(*(known - middle).T).max())
    if error > MAX_ERROR:
        return replace(own, fault=f"{own.fault}; images around it disagree by {error:.2f} m")
    dx, dy = (round(float(v), 3) + 0.0 for v in middle)
    return replace(own, dx=dx, dy=dy, error=round(error, 3), fault=None, lent_by=len(known))


def nearest(centres: Sequence[tuple[float, float]]) -> list[list[int]]:
    """Return, for each image, the numbers of those to ask: at most `MOST` within `NEAR`, the nearest first.

    Args:
        centres: (lon, lat) of the images' centres, WGS84 degrees.
    """
    if not centres:
        return []
    lon, lat = np.array(centres, dtype=np.float64).T
    order = np.argsort(lat, kind="stable")
    belt = np.degrees(NEAR / EARTH_RADIUS_M)
    first = np.searchsorted(lat[order], lat - belt)
    last = np.searchsorted(lat[order], lat + belt, side="right")
    out = []
    for i in range(len(centres)):
        others = np.sort(order[first[i] : last[i]])
        others = others[others != i]
        metres = distance_m(lon[i], lat[i], lon[others], lat[others])
        ranked = np.argsort(metres, kind="stable")[:MOST]
        out.append([int(others[j]) for j in ranked if metres[j] <= NEAR])
    return out
