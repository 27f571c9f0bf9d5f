"""Colour names of a region's pixels: a small classifier in HSV, sure only where one colour clearly prevails."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geovec_data.records import Region

COLOURS = ("black", "gray", "white", "red", "brown", "yellow", "green", "blue")
"""Colours that expressions may name."""
TINTS = ("brownish", "greenish", "bluish", "other")
"""Pixels of no clear colour: haze, shadows and weathered roofs are tinted, above all with blue."""

LOOK_ALIKES: dict[str, tuple[str, ...]] = {
    "black": ("gray", *TINTS), "gray": ("black", "white", *TINTS), "white": ("gray", *TINTS),
    "red": ("brown", "brownish", "other"), "brown": ("red", "yellow", "brownish"),
    "yellow": ("brown", "brownish", "greenish"), "green": ("greenish", "yellow"), "blue": ("bluish", "other"),
}  # fmt: skip
"""What one observer may call by the other's name; a share of it leaves a colour undecided."""

_SAMPLES = 24  # per side: 576 pixels tell a region's colour, whatever its size
_INNER = 0.7  # of the box: round objects do not fill its corners


def classify(rgb: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Name the colour of each pixel.

    Args:
        rgb: 8-bit values, shape ``(…, 3)``.

    Returns:
        Indices into ``COLOURS + TINTS``, shape ``(…)``.
    """
    channels = np.asarray(rgb, dtype=np.float64) / 255
    r, g, b = channels[..., 0], channels[..., 1], channels[..., 2]
    value = channels.max(axis=-1)
    chroma = value - channels.min(axis=-1)
    safe = np.where(chroma > 0, chroma, 1)
    hue = 60 * np.where(value == r, ((g - b) / safe) % 6, np.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4))
    saturation = chroma / np.where(value > 0, value, 1)
    warm, green, blue = (hue < 68) | (hue >= 340), (hue >= 68) & (hue < 165), (hue >= 185) & (hue < 260)
    tests = [
        (value < 0.16, "black"),
        ((saturation < 0.12) & (value >= 0.78), "white"),
        (saturation < 0.12, "gray"),
        (((hue < 20) | (hue >= 340)) & (saturation >= 0.4) & (value >= 0.35), "red"),
        ((hue >= 45) & (hue < 68) & (saturation >= 0.35) & (value >= 0.55), "yellow"),
        (((hue < 45) | (hue >= 340)) & (saturation >= 0.25), "brown"),
        (green & (saturation >= 0.2) & (value >= 0.2), "green"),
        (blue & (saturation >= 0.35) & (value >= 0.3), "blue"),
        (warm, "brownish"),
        (green, "greenish"),
        (blue, "bluish"),
    ]
    names = (*COLOURS, *TINTS)
    return np.asarray(
        np.select([t for t, _ in tests], [names.index(name) for _, name in tests], default=names.index("other")),
        dtype=np.intp,
    )


def shares(pixels: npt.NDArray[Any], region: Region) -> dict[str, float]:
    """Share of each colour among the pixels of a region; empty when no pixel of it is in the image.

    Args:
        pixels: the image, 8-bit RGB, shape ``(height, width, 3)``.
        region: its polygon is used where it has one, else the inner part of its box.
    """
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = region.box
    shrink = 0.0 if region.polygon else (1 - _INNER) / 2
    dx, dy = (x1 - x0) * shrink, (y1 - y0) * shrink
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    xs, ys = np.meshgrid(x0 + dx + steps * (x1 - x0 - 2 * dx), y0 + dy + steps * (y1 - y0 - 2 * dy))
    inside = (xs >= 0) & (xs < width) & (ys >= 0) & (ys < height)
    if region.polygon:
        inside &= in_polygon(xs, ys, region.polygon)
    if not inside.any():
        return {}
    found = classify(pixels[ys[inside].astype(int), xs[inside].astype(int)])
    names = (*COLOURS, *TINTS)
    counts = np.bincount(found, minlength=len(names))
    return {name: int(count) / len(found) for name, count in zip(names, counts, strict=True) if count}


def in_polygon(
    xs: npt.NDArray[np.float64], ys: npt.NDArray[np.float64], ring: tuple[float, ...]
) -> npt.NDArray[np.bool_]:
    """Whether points lie in a ring ``(x, y, x, y, …)``, by the even-odd rule."""
    corners = np.asarray(ring, dtype=np.float64).reshape(-1, 2)
    inside = np.zeros(xs.shape, dtype=np.bool_)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay != by:
            inside ^= ((ay > ys) != (by > ys)) & (xs < (bx - ax) * (ys - ay) / (by - ay) + ax)
    return inside
