"""The edges of an image as a field of directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SCALES = (1.0, 2.0)  # standard deviations of the smoothing, cells: kerb-sharp edges and blurred ones

Grey = NDArray[np.float64]
Field = NDArray[np.complex128]


def oriented(grey: Grey, valid: NDArray[np.bool_] | None = None) -> Field:
    """Return the direction of each cell's gradient, doubled, weighted by how clear it is.

    A gradient of direction a becomes m·exp(2ia): an edge from dark to bright and one from bright to dark point alike,
    edges at right angles point against each other, and texture without direction adds up to nothing. The weight
    m = g / (g + median g) keeps a few glaring edges from deciding alone; it does not change with the contrast.

    Args:
        grey: (rows, columns), any unit.
        valid: cells that hold data; None: all. Cells at the border of what holds none are left out.

    Returns:
        (rows, columns) complex; zero where there is no gradient.
    """
    rows, columns = grey.shape
    pad = int(np.ceil(3 * max(SCALES)))
    padded = np.pad(grey, pad, mode="reflect" if min(rows, columns) > pad else "edge")
    shape = (fast_length(padded.shape[0]), fast_length(padded.shape[1]))
    spectrum = np.fft.fft2(padded - padded.mean(), shape)
    wy = 2 * np.pi * np.fft.fftfreq(shape[0])[:, None]
    wx = 2 * np.pi * np.fft.fftfreq(shape[1])[None, :]
    field = np.zeros((rows, columns), dtype=np.complex128)
    for scale in SCALES:
        # d/dx + i·d/dy of the smoothed image, from one inverse transform
        slope = spectrum * (1j * wx - wy) * np.exp(-(wx**2 + wy**2) * scale**2 / 2)
        gradient = np.fft.ifft2(slope)[pad : pad + rows, pad : pad + columns]
        size = np.abs(gradient)
        typical = float(np.median(size[valid])) if valid is not None and valid.any() else float(np.median(size))
        field += gradient**2 / np.maximum(size * (size + typical), 1e-9)
    if valid is not None:
        field[~_inner(valid, pad)] = 0.0
    return field


def _inner(valid: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return the cells around which, `reach` cells in each direction, all hold data."""
    gaps = np.pad(np.cumsum(np.cumsum(np.pad(~valid, reach), 0), 1), ((1, 0), (1, 0)))
    side = 2 * reach + 1
    inner: NDArray[np.bool_] = (
        gaps[side:, side:] - gaps[:-side, side:] - gaps[side:, :-side] + gaps[:-side, :-side] == 0
    )
    return inner


def fast_length(length: int) -> int:
    """Return the least length, from `length` on, without a prime factor over 5: its transform is fast."""
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1
