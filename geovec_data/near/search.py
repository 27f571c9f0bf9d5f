"""Candidates: images whose hash is near that of some window of another, in any frame. Near-linear.

The hash of a whole image, in its eight frames, is entered in a table for each band of bits; the hashes of the windows
of every image look there for an equal band, and what is found is compared bit by bit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.near.look import HASHED, ORDER, Hashes, frame_hashes, pack, turned
from geovec_data.near.space import SPACE
from geovec_data.near.windows import Floats, Ints, coarse_lines, coarse_windows, index, operators
from geovec_data.phash import SIDE

BANDS = ((0, 20), (8, 20), (18, 20), (30, 20), (43, 20))
"""First bit and number of bits of each band."""
Positions = NDArray[np.signedinteger[Any]]
LEFT, RIGHT = 1, 2  # the two sides of a split, as bits
CHUNK = 8  # images at a time: some 5 MB of products and their signs
# the signs of one row of coefficients, a byte, where they stand in a hash: (HASHED, 256)
_BYTES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(bool)
_PLACED = pack(np.stack([np.pad(_BYTES, ((0, 0), (HASHED * u, HASHED * (HASHED - 1 - u)))) for u in range(HASHED)]))


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of images, one row each: `base` may hold the whole of `other` in a window.

    Attributes:
        base: positions.
        other: positions.
        window: row of `coarse_windows`.
        frame: the frame in which `other` is like the window.
    """

    base: Positions
    other: Positions
    window: Positions
    frame: Positions


def window_hashes(thumbs: Floats) -> Hashes:
    """Return the hashes of every search window of thumbnails (n, SIDE, SIDE), as (windows, n)."""
    lines, pairs = coarse_lines(), coarse_windows()
    both = operators(HASHED)[index(lines[:, 0], lines[:, 1])].reshape(-1, SIDE)
    shape = len(thumbs), len(both), len(both)
    products = np.matmul(np.matmul(both, thumbs), both.T, out=SPACE.floats(shape))
    positive = np.greater(products, 0, out=SPACE.flags(shape))
    # a byte holds the signs of one row of a window's coefficients: an eighth of what there is to gather
    signs = np.packbits(positive).reshape(len(thumbs), len(lines), HASHED, len(lines))
    taken = signs[:, pairs[:, 0], :, pairs[:, 1]]
    hashes: Hashes = _PLACED[0][taken[..., 0]]
    for row in range(1, HASHED):
        hashes |= _PLACED[row][taken[..., row]]
    return hashes


class Table:
    """The hashes that are looked for, by band."""

    def __init__(self, hashes: Hashes, doubts: Hashes) -> None:
        """Enter hashes of shape (frames, n) and, by band, their two least certain bits, (bands, 2, frames, n)."""
        self.hashes = hashes.ravel()
        self._bands: list[_Band] = []
        for (first, width), (one, two) in zip(BANDS, doubts.reshape(len(BANDS), 2, -1), strict=True):
            entered = [self.hashes, self.hashes ^ one, self.hashes ^ two, self.hashes ^ one ^ two]
            keys = band(np.concatenate(entered), first, width).astype(np.int32)
            self._bands.append(_Band(first, width, keys))

    def near(self, hashes: Hashes, most: int) -> tuple[Ints, Ints, Ints]:
        """Return (position among `hashes`, position among the entered, differing bits) within `most` bits."""
        found: list[tuple[Ints, Ints, Ints]] = []
        for entries in self._bands:
            asked, entered = entries.equal(hashes)
            entered %= self.hashes.size  # every hash is entered with some bits changed, too
            bits = np.bitwise_count(hashes[asked] ^ self.hashes[entered]).astype(np.int64)
            near = bits <= most
            found.append((asked[near], entered[near], bits[near]))
        return tuple(np.concatenate(c) for c in zip(*found, strict=True))  # type: ignore[return-value]


class _Band:
    """The entries of one band, found by the first bits of their keys: as many as there are entries to tell apart."""

    def __init__(self, first: int, width: int, keys: NDArray[np.int32]) -> None:
        self._first, self._width = first, width
        slots = min(width, max(len(keys).bit_length(), 1))
        self._rest = width - slots
        self._order = np.argsort(keys, kind="stable").astype(np.int32)
        self._start = np.zeros((1 << slots) + 1, dtype=np.int32)
        np.cumsum(np.bincount(keys >> self._rest, minlength=1 << slots), dtype=np.int32, out=self._start[1:])
        self._keys = keys[self._order] if self._rest else None
        # most keys that are asked for are nobody's: one look says so
        self._present = np.zeros(1 << width, dtype=bool)
        self._present[keys] = True

    def equal(self, hashes: Hashes) -> tuple[Ints, Ints]:
        """Return the pairs (position among `hashes`, entry) that are equal in this band."""
        keys = band(hashes, self._first, self._width)
        at = np.flatnonzero(self._present[keys])
        keys = keys[at]
        slot = keys >> self._rest
        low = self._start[slot]
        count = self._start[slot + 1] - low
        owner = np.repeat(np.arange(len(at)), count)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count - low, count)
        if self._keys is not None:
            same = self._keys[place] == keys[owner]
            owner, place = owner[same], place[same]
        return at[owner], self._order[place].astype(np.int64)


def doubts(coefs: Floats) -> Hashes:
    """Return the two least certain bits of every band, as masks, (bands, 2, FRAMES, n): the smallest coefficients.

    A crop or a re-encoding changes the signs of small coefficients first.
    """
    low = np.abs(coefs[:, :HASHED, :HASHED])
    out = []
    for frame in (0, 4):  # mirroring changes no size
        size = np.asarray(turned(low, frame)).reshape(len(low), -1)[:, ORDER]
        for first, width in BANDS:
            at = first + np.argpartition(size[:, first : first + width], 2, axis=1)[:, :2].T
            out.append(np.uint64(1) << (63 - at).astype(np.uint64))
    plain, crossed = np.array(out).reshape(2, len(BANDS), 2, 1, len(low))
    return np.concatenate([np.repeat(plain, 4, axis=2), np.repeat(crossed, 4, axis=2)], axis=2)


def band(hashes: Hashes, first: int, width: int) -> Ints:
    """Return bits `first` … `first + width` of hashes as numbers."""
    return ((hashes >> np.uint64(64 - first - width)) & np.uint64((1 << width) - 1)).astype(np.int64)


def candidates(
    thumbs: NDArray[np.uint8],
    coefs: Floats,
    leader: Ints,
    most: int,
    threads: int,
    sides: NDArray[np.uint8] | None = None,
) -> Candidates:
    """Find for every image those that may be it or a crop of it, turned or mirrored; sorted by base and other.

    Args:
        thumbs: thumbnails (m, SIDE, SIDE).
        coefs: their coefficients, (m, ≥ HASHED, ≥ HASHED).
        leader: which of them are searched, (n,); what is returned are positions in here.
        most: bits in which the hashes may differ.
        threads: threads; the result does not depend on it.
        sides: for each image the sides it stands on (bits): only pairs of different sides are looked for; None: all.
    """
    n = len(leader)
    low = coefs[leader, :HASHED, :HASHED]
    hashes, uncertain = frame_hashes(low), doubts(low)
    sides = np.full(n, LEFT | RIGHT, dtype=np.uint8) if sides is None else sides
    found: list[NDArray[np.int32]] = [np.empty((4, 0), dtype=np.int32)]
    with ThreadPoolExecutor(threads) as pool:
        for side, across in ((LEFT, RIGHT), (RIGHT, LEFT), (LEFT | RIGHT, LEFT | RIGHT)):
            bases, others = np.flatnonzero(sides == side), np.flatnonzero(sides & across)
            if not len(bases) or not len(others):
                continue
            table = Table(hashes[:, others], uncertain[..., others])
            look = partial(_look, table, thumbs, leader, bases, others, most)
            found += pool.map(look, range(0, len(bases), CHUNK))
            del table, look  # before the next is made: of many images it takes 20 MB and more
    rows = np.concatenate(found, axis=1)
    found.clear()  # of many images it takes as much again
    rows = rows[:, np.lexsort((rows[1], rows[0]))]
    return Candidates(*rows)


def _look(
    table: Table, thumbs: NDArray[np.uint8], leader: Ints, bases: Ints, others: Ints, most: int, start: int
) -> NDArray[np.int32]:
    """Look for some of `bases`: the best window of each pair, as rows (base, other, window, frame)."""
    chunk = bases[start : start + CHUNK]
    asked, entered, bits = table.near(window_hashes(thumbs[leader[chunk]].astype(np.float32)).ravel(), most)
    window, base = np.divmod(asked, len(chunk))
    frame, other = np.divmod(entered, len(others))
    base, other = chunk[base], others[other]
    apart = base != other
    rows = np.stack([base, other, bits, window, frame])[:, apart]
    rows = rows[:, np.lexsort(rows[::-1])]
    pair = rows[0] * len(leader) + rows[1]
    first = np.concatenate([[True], pair[1:] != pair[:-1]])[: len(pair)]
    return rows[:, first][[0, 1, 3, 4]].astype(np.int32)
