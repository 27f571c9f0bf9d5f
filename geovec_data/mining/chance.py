"""Chance that is always the same: numbers scattered over 64 bits by a counter, whatever a library's stream is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geovec_data.mining.items import Ints

Words64 = NDArray[np.uint64]


def splitmix(seed: Words64) -> Words64:
    """One step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), which scatters counters over all 64 bits."""
    z = seed * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: Words64 = z ^ (z >> np.uint64(31))
    return out


def signs(number: Ints, width: int) -> NDArray[np.float32]:
    """Return a row of `width` signs for each number, shape (len(number), width)."""
    counter = (number[:, None] * width + np.arange(width)).astype(np.uint64)
    positive = splitmix(splitmix(counter)) >> np.uint64(63) == 0
    return np.where(positive, np.float32(1), np.float32(-1))


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of length 1; a row of zeros stays one."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    out: NDArray[np.float32] = rows / np.maximum(norms, np.finfo(np.float32).tiny)
    return out
