"""Near-duplicate images: re-encoded, resized, turned, mirrored or cropped copies, found among very many.

Two steps. The perceptual hash of every image is looked up among the hashes of every image's windows (`search`); what
it proposes is registered and correlated (`confirm`). Images whose hashes are equal in some frame are searched for
once, so that a cluster of thousands of copies costs its pairs and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

from geovec_data.near import MAX_BITS, MIN_CONTRAST, MIN_SCORE
from geovec_data.near.confirm import whole_scores, window_scores
from geovec_data.near.look import FRAMES, Hashes, coefficients, frame_hashes, turned
from geovec_data.near.search import LEFT, RIGHT, Candidates, Positions, candidates
from geovec_data.near.windows import Floats, Ints
from geovec_data.phash import SIDE

BLOCK = 1 << 16  # pairs in memory at a time
_PART = 1 << 10  # thumbnails turned into floats at a time
Members = tuple[Ints, Ints, Ints]  # positions by group, where each group starts among them, and how many it has
_NONE = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Near-duplicates, each pair once, sorted.

    Attributes:
        first: positions of the images of side `LEFT` (without sides: the smaller position).
        second: positions of the others.
        score: concordance, `min_score` to 1.
        flat: number of images left out as too flat (`MIN_CONTRAST`): equal bytes are all that could tell them.
    """

    first: Ints
    second: Ints
    score: Floats
    flat: int


def near_pairs(
    thumbs: NDArray[np.uint8],
    sides: NDArray[np.uint8] | None = None,
    *,
    max_bits: int = MAX_BITS,
    min_score: float = MIN_SCORE,
    threads: int = 1,
) -> NearPairs:
    """Find the near-duplicates among images.

    Args:
        thumbs: thumbnails of `look.thumbnail`, (n, SIDE²) or (n, SIDE, SIDE), in an order that is always the same.
        sides: for each image `LEFT`, `RIGHT`, both or 0: only pairs with one image on each side; None: all pairs.
        max_bits: see `MAX_BITS`.
        min_score: see `MIN_SCORE`.
        threads: threads; the result does not depend on it.
    """
    thumbs = thumbs.reshape(-1, SIDE, SIDE)
    n = len(thumbs)
    with threadpool_limits(1):  # many small products: our threads serve them better, and in a fixed order
        frames = np.zeros(n, dtype=np.int64)
        hashes: Hashes = np.zeros(n, dtype=np.uint64)
        flat = np.zeros(n, dtype=bool)
        for start in range(0, n, _PART):
            part = slice(start, start + _PART)
            pixels = thumbs[part].astype(np.float32)
            flat[part] = pixels.std(axis=(1, 2)) < MIN_CONTRAST
            every = frame_hashes(coefficients(pixels))
            frames[part], hashes[part] = every.argmin(axis=0), every.min(axis=0)
        wanted = ~flat if sides is None else ~flat & (sides > 0)
        members = np.flatnonzero(wanted)
        upright = np.empty((len(members), SIDE, SIDE), dtype=np.uint8)
        for f in range(FRAMES):
            rows = frames[members] == f
            upright[rows] = turned(thumbs[members[rows]], f, pixels=True)
        del thumbs  # at 1 kB a picture one copy is enough
        kept = None if sides is None else sides[members]
        found = _search(upright, hashes[members], kept, max_bits, min_score, threads)
    first, second, score = _once(found, kept)
    return NearPairs(members[first], members[second], score, int(flat.sum()))


def _search(
    upright: NDArray[np.uint8], hashes: Hashes, sides: NDArray[np.uint8] | None, bits: int, least: float, threads: int
) -> tuple[Ints, Ints, Floats]:
    parts = [coefficients(upright[s : s + _PART].astype(np.float32)) for s in range(0, len(upright), _PART)]
    if not parts:
        return _NONE
    coefs = np.concatenate(parts)
    _, leader, group = np.unique(hashes, return_index=True, return_inverse=True)
    grouped = None
    if sides is not None:
        grouped = np.zeros(len(leader), dtype=np.uint8)
        np.bitwise_or.at(grouped, group, sides)
    found = candidates(upright, coefs, leader, bits, threads, grouped)
    same = np.arange(len(leader), dtype=np.int32)
    zero = np.zeros(len(leader), dtype=np.int32)
    found = Candidates(
        np.concatenate([same, found.base]),
        np.concatenate([same, found.other]),
        np.concatenate([zero, found.window]),
        np.concatenate([zero, found.frame]),
    )
    kept: list[tuple[Positions, Positions, Floats]] = [_NONE]
    for pairs in _expanded(found, group, len(leader), sides):
        score = np.zeros(len(pairs.base), dtype=np.float32)
        whole = np.flatnonzero(pairs.window == 0)
        score[whole] = whole_scores(coefs, _rows(pairs, whole), threads)
        rest = np.flatnonzero(score < least)
        score[rest] = np.maximum(score[rest], window_scores(upright, coefs, _rows(pairs, rest), threads))
        good = score >= least
        kept.append((pairs.base[good], pairs.other[good], score[good]))
    return tuple(np.concatenate(c) for c in zip(*kept, strict=True))  # type: ignore[return-value]


def _rows(pairs: Candidates, rows: Ints | slice) -> Candidates:
    return Candidates(pairs.base[rows], pairs.other[rows], pairs.window[rows], pairs.frame[rows])


def _expanded(found: Candidates, group: Ints, groups: int, sides: NDArray[np.uint8] | None) -> Iterator[Candidates]:
    """Turn pairs of groups into pairs of their members, those of one side with those of the other."""
    every = np.arange(len(group))
    if sides is None:
        lists = [(every, every)]
    else:
        left, right = every[(sides & LEFT) > 0], every[(sides & RIGHT) > 0]
        lists = [(left, right), (right, left)]
    for base, other in lists:
        base, other = base[np.argsort(group[base], kind="stable")], other[np.argsort(group[other], kind="stable")]
        base_counts, other_counts = (np.bincount(group[m], minlength=groups) for m in (base, other))
        base_start, other_start = np.cumsum(base_counts) - base_counts, np.cumsum(other_counts) - other_counts
        for start in range(0, len(found.base), BLOCK):
            some = _rows(found, slice(start, start + BLOCK))
            yield from _products(some, (base, base_start, base_counts), (other, other_start, other_counts))


def _products(found: Candidates, bases: Members, others: Members) -> Iterator[Candidates]:
    """Turn pairs of groups into pairs of members, some `BLOCK` at a time."""
    (base, base_start, base_counts), (other, other_start, other_counts) = bases, others
    wide = other_counts[found.other]
    rows = np.where(wide > 0, base_counts[found.base], 0)
    # one entry a row of the product of two groups, so that a block ends inside a big cluster too
    candidate = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(len(candidate)) - np.repeat(_offsets(rows), rows)
    width = wide[candidate]
    for part in _blocks(width):
        c = np.repeat(candidate[part], width[part])
        column = np.arange(len(c)) - np.repeat(_offsets(width[part]), width[part])
        a = base[base_start[found.base[c]] + np.repeat(row[part], width[part])]
        b = other[other_start[found.other[c]] + column]
        apart = a != b
        c, a, b = c[apart], a[apart], b[apart]
        yield Candidates(a, b, found.window[c], found.frame[c])


def _offsets(counts: Ints) -> Ints:
    return np.cumsum(counts) - counts


def _blocks(width: Ints) -> Iterator[slice]:
    """Cut rows of products into runs of about `BLOCK` pairs."""
    total = np.cumsum(width)
    start = 0
    while start < len(width):
        before = total[start - 1] if start else 0
        end = max(int(np.searchsorted(total, before + BLOCK, side="right")), start + 1)
        yield slice(start, end)
        start = end


def _once(found: tuple[Ints, Ints, Floats], sides: NDArray[np.uint8] | None) -> tuple[Ints, Ints, Floats]:
    """Keep each unordered pair once, at its best score; the left side comes first."""
    a, b, score = found
    low, high = np.minimum(a, b), np.maximum(a, b)
    order = np.lexsort((-score, high, low))
    low, high, score = low[order], high[order], score[order]
    new = np.ones(len(low), dtype=bool)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    low, high, score = low[new], high[new], score[new]
    if sides is not None:
        swap = ~(((sides[low] & LEFT) > 0) & ((sides[high] & RIGHT) > 0))
        low, high = np.where(swap, high, low), np.where(swap, low, high)
        order = np.lexsort((high, low))
        low, high, score = low[order], high[order], score[order]
    return low, high, score
