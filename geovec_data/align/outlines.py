"""Footprints as points along their outlines, each with the direction in which the image should change there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUPS = 4  # parts of the footprints that are compared with each other
SPACING = 0.5  # cells between points
_SHORTEST = 1.0  # cells; the direction of a shorter edge says nothing

Ring = NDArray[np.float64]  # (n, 2), cells, closed


@dataclass(frozen=True, slots=True)
class Outlines:
    """Points on outlines.

    Attributes:
        points: (n, 2), cells of the image: x to the right, y down.
        normals: (n,) complex; direction across the edge, doubled, times the length that the point stands for.
        group: (n,) part of the footprints, below `GROUPS`.
        count: footprints of which some outline lies in the image.
    """

    points: NDArray[np.float64]
    normals: NDArray[np.complex128]
    group: NDArray[np.int64]
    count: int


def outlines_of(footprints: Sequence[Sequence[Ring]], shape: tuple[int, int]) -> Outlines:
    """Turn footprints, each some rings, into points, and part them into groups of about equal length in the image.

    A footprint is never cut in two: all of one may be drawn wrong, so that only others can contradict it.

    Args:
        footprints: rings in cells, in a fixed order.
        shape: rows and columns of the image.
    """
    rings = [(number, ring) for number, rings in enumerate(footprints) for ring in rings]
    starts = np.concatenate([np.zeros((0, 2)), *(ring[:-1] for _, ring in rings)])
    steps = np.concatenate([np.zeros((0, 2)), *(np.diff(ring, axis=0) for _, ring in rings)])
    owners = np.repeat([number for number, _ in rings], [len(ring) - 1 for _, ring in rings]).astype(np.int64)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    told = lengths >= _SHORTEST
    starts, steps, owners, lengths = starts[told], steps[told], owners[told], lengths[told]
    n = np.maximum(lengths / SPACING, 1).astype(np.int64)
    edge = np.repeat(np.arange(len(n)), n)
    along = (np.arange(len(edge)) - np.repeat(np.cumsum(n) - n, n) + 0.5) / n[edge]
    at = starts[edge] + steps[edge] * along[:, None]
    across = (steps[:, 1] - 1j * steps[:, 0]) ** 2 / np.maximum(lengths, _SHORTEST) / n
    normal, owner = across[edge], owners[edge]
    inside = (at >= 0).all(1) & (at[:, 0] < shape[1]) & (at[:, 1] < shape[0])
    seen = np.bincount(owner, weights=np.abs(normal) * inside, minlength=len(footprints)).astype(np.float64)
    return Outlines(at, normal, _parted(seen)[owner], int(np.count_nonzero(seen)))


def _parted(lengths: NDArray[np.float64]) -> NDArray[np.int64]:
    """Put the longest first, each into the group that is shortest so far."""
    groups, loads = np.zeros(len(lengths), np.int64), np.zeros(GROUPS)
    for i in np.argsort(-lengths, kind="stable"):
        groups[i] = int(np.argmin(loads))
        loads[groups[i]] += lengths[i]
    return groups


def drawn(outlines: Outlines, group: int, shape: tuple[int, int], pad: int) -> NDArray[np.complex128]:
    """Draw one group's points into a field of `shape` cells with a border of `pad`, each shared by the four nearest."""
    field = np.zeros((shape[0] + 2 * pad, shape[1] + 2 * pad), dtype=np.complex128)
    mine = outlines.group == group
    at = outlines.points[mine] + pad - 0.5
    corner = np.floor(at).astype(np.int64)
    part = at - corner
    flat, values = [], []
    for right in (0, 1):
        for down in (0, 1):
            x, y = corner[:, 0] + right, corner[:, 1] + down
            ok = (x >= 0) & (y >= 0) & (x < field.shape[1]) & (y < field.shape[0])
            share = np.abs(1 - right - part[:, 0]) * np.abs(1 - down - part[:, 1])
            flat.append((y * field.shape[1] + x)[ok])
            values.append((outlines.normals[mine] * share)[ok])
    cells, weights = np.concatenate(flat), np.concatenate(values)
    size = field.size
    field += (np.bincount(cells, weights.real, size) + 1j * np.bincount(cells, weights.imag, size)).reshape(field.shape)
    return field
