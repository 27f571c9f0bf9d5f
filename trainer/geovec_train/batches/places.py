"""Orders of examples by where they lie, so that the examples of a batch are far from one another, or near."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geovec_train.batches.ragged import Ints

Reals = NDArray[np.float64]
Order = Literal["any", "spread", "near", "spread_then_near"]
_BITS = 16


def curve(place: Reals) -> Ints:
    """Return positions on a Z-order curve over the globe: what is near on it is near on the ground.

    Args:
        place: (n, 2) longitude and latitude, degrees. Bands of latitude have equal areas.
    """
    x = (place[:, 0] % 360.0) / 360.0
    y = (np.sin(np.radians(place[:, 1])) + 1.0) / 2.0
    cells = [np.clip((v * (1 << _BITS)).astype(np.int64), 0, (1 << _BITS) - 1) for v in (x, y)]
    out = np.zeros(len(place), np.int64)
    for bit in range(_BITS):
        for axis, cell in enumerate(cells):
            out |= ((cell >> bit) & 1) << (2 * bit + axis)
    return out


def arranged(members: Ints, place: Reals, batch: int, near: bool, rng: np.random.Generator) -> Ints:
    """Return examples in an order whose every `batch` successive ones are spread over all places, or lie together.

    Spread: the examples are parted along a curve into `batch` stretches, and one of each comes in turn. Near: each
    stretch of `batch` along the curve stays together, and stretches come in random order; their ends differ by draw.
    Examples without a place come in between, at random.

    Args:
        members: example numbers.
        place: (members, 2) longitude and latitude of each; NaN where it is unknown.
        batch: examples of a batch.
        near: lie together.
        rng: of everything that is left to chance.
    """
    known = np.isfinite(place[:, 0])
    placed, lost = members[known], rng.permutation(members[~known])
    shuffled = rng.permutation(len(placed))
    along = placed[shuffled[np.argsort(curve(place[known])[shuffled], kind="stable")]]
    if near:
        along = np.roll(along, int(rng.integers(batch)))
        parts = [p[s : s + batch] for p in (along, lost) for s in range(0, len(p), batch)]
        return np.concatenate([parts[n] for n in rng.permutation(len(parts))]) if parts else members
    if not len(along):
        return lost
    stretches = [rng.permutation(s) for s in np.array_split(along, min(batch, len(along)))]
    turns = [[s[k] for s in stretches if k < len(s)] for k in range(len(stretches[0]))]
    out = np.concatenate([rng.permutation(np.array(t, dtype=np.int64)) for t in turns])
    return np.insert(out, np.sort(rng.integers(0, len(out) + 1, len(lost))), lost)
