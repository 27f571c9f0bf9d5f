"""The offset between footprints and an image, with its error and whether it may be believed.

The limits were set on chips whose labels were drawn on the very imagery, or were measured by hand: of their estimates
that pass, none errs by a metre, and footprints of another place pass once in 800 (`benchmarks/osm_alignment.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geovec_data.align.correlate import Evidence, evidence
from geovec_data.align.gradients import Grey, oriented
from geovec_data.align.outlines import Ring, outlines_of

STEP = 0.3
"""Metres of a cell: finer imagery is shrunk to it first."""
RADIUS = 8.0
"""Largest offset that is looked for, metres."""
COARSEST = 1.0  # metres of a cell; nothing coarser was measured
FEWEST = 3  # footprints in the image; fewer cannot contradict each other
MAX_ERROR = 0.75  # metres
MAX_RIVAL = 0.8
MIN_HEIGHT = 4.2
_APART = 2.0  # metres; nearer to the best shift is the same peak
_NEAR = 3.0  # metres around the best shift in which the halves look for their own
_EDGE = 0.5  # metres; a peak so near the largest offset may be the flank of one beyond
_HALVES = (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2)))


@dataclass(frozen=True, slots=True)
class Estimate:
    """How labels must be moved to lie on what the image shows.

    Attributes:
        dx: metres to the right in the image as it lies (east, where north is up).
        dy: metres up (north).
        error: standard error, metres: half of what halves of the footprints disagree by, root mean square of three
            ways to halve them.
        rival: score of the best shift elsewhere, as a share of the best score; 1: two shifts fit alike.
        height: best score, in standard deviations of the scores of all shifts: of footprints that have nothing to do
            with the image it is about 3.
        footprints: how many had a say.
        fault: why it is not to be believed; None: it is.
        lent_by: how many images around it gave it; 0: it is the image's own.
    """

    dx: float
    dy: float
    error: float
    rival: float
    height: float
    footprints: int
    fault: str | None = None
    lent_by: int = 0


def refused(fault: str, footprints: int = 0) -> Estimate:
    """Return an estimate that says nothing but why."""
    return Estimate(0.0, 0.0, 0.0, 1.0, 0.0, footprints, fault)


def estimate(
    grey: Grey, step: float, footprints: Sequence[Sequence[Ring]], valid: NDArray[np.bool_] | None = None
) -> Estimate:
    """Estimate how footprints must be moved to lie on the buildings of an image.

    Args:
        grey: (rows, columns), square cells.
        step: metres of a cell.
        footprints: the rings of each, (n, 2), closed, in cells of `grey` (origin top-left corner, y down); give also
            those up to `RADIUS` outside the image.
        valid: cells that hold data; None: all.
    """
    outlines = outlines_of(footprints, (grey.shape[0], grey.shape[1]))
    if fault := unfit(step, outlines.count):
        return refused(fault, outlines.count)
    return judged(evidence(oriented(grey, valid), outlines, int(RADIUS / step)), step, outlines.count)


def unfit(step: float, footprints: int) -> str | None:
    """Say why images of such cells, in metres, with so many footprints, are not asked at all; None: they are."""
    if step > COARSEST:
        return f"cells of {step:.2f} m are coarser than {COARSEST:g} m"
    return f"{footprints} footprints in the image, {FEWEST} are needed" if footprints < FEWEST else None


def judged(found: Evidence, step: float, footprints: int) -> Estimate:
    """Take the best shift and judge it."""
    score = found.score()
    deviation = float(score.std())
    reach = score.shape[0] // 2
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    score = np.where(np.hypot(right, down) * step <= RADIUS, score, -np.inf)
    y, x = _best(score)
    best = float(score[y, x])
    if best <= 0:
        return refused("no shift fits", footprints)
    apart = np.hypot(right - (x - reach), down - (y - reach)) * step
    rival = max(float(np.max(score, where=apart > _APART, initial=0.0)) / best, 0.0)
    disagreements = []
    for halves in _HALVES:
        tops = [_top(np.where(apart <= _NEAR, s, -np.inf)) for s in map(found.score, halves)]
        disagreements.append(np.hypot(*(tops[0] - tops[1])) * step)
    top = (_top(score) - reach) * step
    told = Estimate(
        dx=round(float(top[0]), 3) + 0.0,
        dy=round(-float(top[1]), 3) + 0.0,
        error=round(float(np.sqrt(np.mean(np.square(disagreements)))) / 2, 3),
        rival=round(rival, 3),
        height=round(best / deviation, 2),
        footprints=footprints,
    )
    return replace(told, fault=_fault(told))


def _fault(found: Estimate) -> str | None:
    length = float(np.hypot(found.dx, found.dy))
    if length > RADIUS - _EDGE:
        return f"the best shift, {length:.1f} m, lies at the limit of the search"
    if found.height < MIN_HEIGHT:
        return f"no shift stands out: {found.height:g} standard deviations, under {MIN_HEIGHT:g}"
    if found.rival > MAX_RIVAL:
        return f"another shift scores {found.rival:g} of the best, over {MAX_RIVAL:g}"
    if found.error > MAX_ERROR:
        return f"the footprints disagree: standard error {found.error:.3f} m, over {MAX_ERROR:g} m"
    return None


def _best(score: NDArray[np.float64]) -> tuple[int, int]:
    y, x = np.unravel_index(int(np.argmax(score)), score.shape)
    return int(y), int(x)


def _top(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (x, y) of the highest point, between cells by a parabola through each axis."""
    y, x = _best(score)
    return np.array([x + _vertex(score[y, :], x), y + _vertex(score[:, x], y)])


def _vertex(line: NDArray[np.float64], i: int) -> float:
    if not 0 < i < len(line) - 1:
        return 0.0
    before, here, after = (float(v) for v in line[i - 1 : i + 2])
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if np.isfinite(bend) and bend < 0 else 0.0
