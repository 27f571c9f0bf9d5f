"""How well outlines fit an image at every shift up to some cells, in one pass of Fourier transforms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geovec_data.align.gradients import Field, fast_length
from geovec_data.align.outlines import GROUPS, Outlines, drawn

_LEAST = 0.25  # of the most evidence that any shift has: shifts with less in the image are not scored higher for it


@dataclass(frozen=True, slots=True)
class Evidence:
    """Fit of each group of outlines at each shift.

    Attributes:
        fit: (groups, 2n + 1, 2n + 1): sum over the group's points in the image of how well the direction of the edge
            and that of the image agree; row and column n are no shift, later ones move the outlines down and right.
        spread: the same shape: variance that the sum would have if the image had nothing to do with the outlines.
    """

    fit: NDArray[np.float64]
    spread: NDArray[np.float64]

    def score(self, groups: Iterable[int] = range(GROUPS)) -> NDArray[np.float64]:
        """Return (2n + 1, 2n + 1): the fit of some groups together, in its own standard deviations."""
        chosen = list(groups)
        spread = self.spread[chosen].sum(0)
        score: NDArray[np.float64] = self.fit[chosen].sum(0) / np.sqrt(np.maximum(spread, _LEAST * spread.max()) + 1e-9)
        return score


def evidence(image: Field, outlines: Outlines, reach: int) -> Evidence:
    """Correlate outlines with an image.

    Args:
        image: what `oriented` gave.
        outlines: in the image's cells; those outside it, by up to `reach`, count as they are shifted in.
        reach: largest shift, cells.
    """
    rows, columns = image.shape
    shape = (fast_length(rows + 2 * reach), fast_length(columns + 2 * reach))
    mean = image.mean()
    variance = float(np.mean(np.abs(image - mean) ** 2)) / 2
    padded = np.zeros(shape, dtype=np.complex128)
    padded[reach : reach + rows, reach : reach + columns] = image - mean
    sides = np.fft.rfft2(padded.real), np.fft.rfft2(padded.imag)
    shifts = np.arange(-reach, reach + 1)
    fit, spread = [], []
    for group in range(GROUPS):
        field = drawn(outlines, group, (rows, columns), reach)
        product = sides[0] * np.conj(np.fft.rfft2(field.real, shape)) + sides[1] * np.conj(
            np.fft.rfft2(field.imag, shape)
        )
        near = np.fft.ifft(product, axis=0)[shifts]  # only small shifts are of interest
        fit.append(np.fft.irfft(near, shape[1], axis=1)[:, shifts])
        spread.append(_in_window(np.abs(field) ** 2, rows, columns, reach) * variance)
    return Evidence(np.array(fit), np.array(spread))


def _in_window(weights: NDArray[np.float64], rows: int, columns: int, reach: int) -> NDArray[np.float64]:
    """Return, for each shift, the weight that the image's window then holds."""
    sums = np.pad(weights.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    start = np.arange(2 * reach, -1, -1)
    held: NDArray[np.float64] = (
        sums[np.ix_(start + rows, start + columns)]
        - sums[np.ix_(start, start + columns)]
        - sums[np.ix_(start + rows, start)]
        + sums[np.ix_(start, start)]
    )
    return held
