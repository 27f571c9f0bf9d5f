"""The rival of `geovec_data.align`: phase correlation of rasterised outlines with the strength of an image's edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geovec_data.align import RADIUS, Estimate, refused


@dataclass(frozen=True, slots=True)
class View:
    """What `geovec_data.align.estimate` takes: grey cells, their metres, rings in cells, which cells hold data."""

    grey: NDArray[np.float64]
    step: float
    footprints: list[list[NDArray[np.float64]]]
    valid: NDArray[np.bool_] | None


def phase_correlation(view: View) -> Estimate:
    """Find the shift at which the phases of two pictures agree best: outlines drawn in white, and gradients.

    Kuglin and Hines, "The phase correlation image alignment method" (1975). Both pictures are smoothed alike (0.3 m)
    and their mean taken off; the peak is taken to parts of a cell by a parabola. Nothing is judged: fault is None
    wherever there is an outline.
    """
    reach = int(RADIUS / view.step)
    drawn = _drawn(view, reach)
    if not drawn.any():
        return refused("no outline")
    down, right = np.gradient(view.grey)
    strength = np.hypot(right, down)
    if view.valid is not None:
        strength[~view.valid] = 0.0
    shape = (strength.shape[0] + 2 * reach, strength.shape[1] + 2 * reach)
    padded = np.zeros(shape)
    padded[reach:-reach, reach:-reach] = strength - strength.mean()
    window = np.zeros(shape)
    window[reach:-reach, reach:-reach] = 1.0
    cross = np.fft.fft2(padded) * np.conj(np.fft.fft2((drawn - drawn.mean()) * window))
    wy, wx = (2 * np.pi * np.fft.fftfreq(n) for n in shape)
    smooth = np.exp(-(wy[:, None] ** 2 + wx[None, :] ** 2) / 2)
    surface = np.fft.ifft2(cross / np.maximum(np.abs(cross), 1e-9) * smooth).real
    lags = np.arange(-reach, reach + 1)
    near = surface[np.ix_(lags, lags)]
    near[np.hypot(*np.meshgrid(lags, lags)) * view.step > RADIUS] = -np.inf
    y, x = (int(i) for i in np.unravel_index(int(np.argmax(near)), near.shape))
    dx, dy = x + _vertex(near[y], x) - reach, y + _vertex(near[:, x], y) - reach
    return Estimate(dx * view.step, -dy * view.step, 0.0, 0.0, 1.0, 1)


def _drawn(view: View, border: int) -> NDArray[np.float64]:
    from PIL import Image, ImageDraw

    rows, columns = view.grey.shape
    image = Image.new("L", (columns + 2 * border, rows + 2 * border))
    pen = ImageDraw.Draw(image)
    for rings in view.footprints:
        for ring in rings:
            pen.line([(x + border - 0.5, y + border - 0.5) for x, y in ring.tolist()], fill=1)
    return np.asarray(image, dtype=np.float64)


def _vertex(line: NDArray[np.float64], i: int) -> float:
    if not 0 < i < len(line) - 1 or not np.isfinite(line[i - 1 : i + 2]).all():
        return 0.0
    bend = line[i - 1] - 2 * line[i] + line[i + 1]
    return float(0.5 * (line[i - 1] - line[i + 1]) / bend) if bend < 0 else 0.0
