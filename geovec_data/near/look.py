"""What an image looks like, in few numbers: its thumbnail's low frequencies, their signs, and the eight frames.

Turning or mirroring an image transposes its cosine coefficients or changes the signs of the odd ones, so that one
thumbnail tells the hashes of all eight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.near.windows import Floats, operator

FRAMES = 8
"""Rotations by 90° and mirror images; frame 0 leaves an image as it is."""
HASHED = 8
"""Coefficients a side that the hash takes the signs of; the mean is left out: 63 bits."""
COMPARED = 12
"""Coefficients a side that the stricter comparison correlates."""

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]

_u = np.arange(COMPARED)
# Spectra of aerial photographs fall with frequency: without this weight a few broad blobs would decide everything.
WEIGHTS: Floats = np.maximum(np.hypot(_u[:, None], _u[None]), 1).astype(np.float32)
_v = np.arange(HASHED)
# lowest frequencies first: they survive a crop best, and the search's bands begin with them
ORDER = np.argsort((_v[:, None] ** 2 + _v[None] ** 2).ravel(), kind="stable")[1:]


def coefficients(thumbs: Floats, count: int = COMPARED) -> Floats:
    """Return the lowest cosine coefficients of thumbnails (n, SIDE, SIDE) as (n, count, count)."""
    whole: Floats = operator(0.0, 1.0, count).astype(np.float32)
    out: Floats = np.matmul(np.matmul(whole, thumbs), whole.T)
    return out


def turned(values: NDArray[Any], frame: int, *, pixels: bool = False) -> NDArray[Any]:
    """Bring images into another frame.

    Args:
        values: coefficients (…, n, n), or pixels.
        frame: 0–7; bit 2 transposes, then bit 1 mirrors the rows and bit 0 the columns.
        pixels: whether `values` are pixels.
    """
    out = np.swapaxes(values, -1, -2) if frame & 4 else values
    if pixels:
        out = out[..., ::-1, :] if frame & 2 else out
        return out[..., ::-1] if frame & 1 else out
    odd = np.where(np.arange(out.shape[-1]) % 2, -1, 1).astype(np.float32)
    out = out * odd[:, None] if frame & 2 else out
    return out * odd if frame & 1 else out


def pack(positive: NDArray[np.bool_]) -> Hashes:
    """Pack signs (…, HASHED²), row by row, into hashes (…); the lowest frequency is the highest bit."""
    bits = np.zeros((*positive.shape[:-1], 64), dtype=bool)
    bits[..., : len(ORDER)] = positive[..., ORDER]
    return np.packbits(bits, axis=-1).view(">u8")[..., 0].astype(np.uint64)


def frame_hashes(coefs: Floats) -> Hashes:
    """Return the hashes of images in all frames, (FRAMES, n), from their coefficients (n, ≥ HASHED, ≥ HASHED)."""
    low = coefs[:, :HASHED, :HASHED]
    return np.stack([pack((turned(low, f) > 0).reshape(len(low), -1)) for f in range(FRAMES)])


def weighted(coefs: Floats) -> Floats:
    """Weight coefficients (…, COMPARED, COMPARED) and flatten them to vectors (…, COMPARED²); the mean comes first."""
    return (coefs * WEIGHTS).reshape(*coefs.shape[:-2], COMPARED * COMPARED)


def concordance(one: Floats, other: Floats) -> Floats:
    """Say how alike weighted vectors (n, COMPARED²) are: 1 is equal; contrast and brightness count too.

    Lin's concordance correlation coefficient (Biometrics 45, 1989): one less the squared difference, over what it
    would be without any correlation.
    """
    apart = one - other
    size = np.einsum("ij,ij->i", one[:, 1:], one[:, 1:]) + np.einsum("ij,ij->i", other[:, 1:], other[:, 1:])
    score: Floats = 1 - np.einsum("ij,ij->i", apart, apart) / np.maximum(size, 1e-6)
    return score
