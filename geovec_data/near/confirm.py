"""The stricter comparison: two thumbnails registered onto each other and correlated, frequency by frequency."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from geovec_data.near.look import COMPARED, FRAMES, concordance, turned, weighted
from geovec_data.near.search import Candidates
from geovec_data.near.windows import MOST, Floats, Ints, coarse_lines, coarse_windows, index, operators

CHUNK = 512
HOPELESS = 0.25
"""A score at the candidate's own window below which no neighbouring window can reach the threshold."""
_MOVES = np.array([(a, b) for a in (0, -1, 1) for b in (0, -1, 1)])


def whole_scores(coefs: Floats, pairs: Candidates, threads: int) -> Floats:
    """Compare whole images, pair by pair: coefficients (n, COMPARED, COMPARED) → scores (pairs,), at most 1."""

    def score(start: int) -> Floats:
        part = slice(start, start + CHUNK)
        return concordance(weighted(coefs[pairs.base[part]]), _wanted(coefs, pairs, part))

    return _in_chunks(score, len(pairs.base), threads)


def _wanted(coefs: Floats, pairs: Candidates, part: slice) -> Floats:
    """Return the weighted coefficients of `other` in the frame in which it is like `base`."""
    out = np.empty((len(pairs.base[part]), COMPARED * COMPARED), dtype=np.float32)
    for f in range(FRAMES):
        rows = pairs.frame[part] == f
        if rows.any():
            out[rows] = weighted(turned(coefs[pairs.other[part][rows]], f))
    return out


def _in_chunks(score: Callable[[int], Floats], n: int, threads: int) -> Floats:
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(score, range(0, n, CHUNK)))
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)


def window_scores(thumbs: NDArray[np.uint8], coefs: Floats, pairs: Candidates, threads: int) -> Floats:
    """Correlate `other` with the best window of `base` near the candidate's own; returns scores (pairs,).

    Start and end of the window are moved by two steps, then by one, along rows and columns in turn.
    """

    def score(start: int) -> Floats:
        part = slice(start, start + CHUNK)
        pixels = thumbs[pairs.base[part]].astype(np.float32)
        line = coarse_lines()[coarse_windows()[pairs.window[part]]]
        return _registered(pixels, _wanted(coefs, pairs, part), line[:, 0], line[:, 1])

    return _in_chunks(score, len(pairs.base), threads)


def _registered(pixels: Floats, wanted: Floats, rows: Ints, columns: Ints) -> Floats:
    """Register windows; `rows` and `columns` are (pairs, 2) starts and ends in steps."""
    best = _score(_lines(rows), pixels, _lines(columns), wanted)
    hopeful = np.flatnonzero(best > HOPELESS)
    pixels, wanted, rows, columns = pixels[hopeful], wanted[hopeful], rows[hopeful], columns[hopeful]
    top = best[hopeful]
    for step in (2, 1, 1):
        # the image's transpose has rows for columns: one search along rows serves both
        rows, top = _along_rows(pixels, wanted, rows, columns, step, top, across=False)
        columns, top = _along_rows(pixels, wanted, columns, rows, step, top, across=True)
    best[hopeful] = top
    return best


def _along_rows(
    pixels: Floats, wanted: Floats, moving: Ints, fixed: Ints, step: int, top: Floats, *, across: bool
) -> tuple[Ints, Floats]:
    chosen, best = moving.copy(), top.copy()
    for move in _MOVES[1:]:
        tried = np.clip(moving + move * step, 0, MOST)
        tried[:, 1] = np.minimum(tried[:, 1], MOST - tried[:, 0])
        sides = (fixed, tried) if across else (tried, fixed)
        score = _score(_lines(sides[0]), pixels, _lines(sides[1]), wanted)
        better = score > best
        chosen[better], best[better] = tried[better], score[better]
    return chosen, best


def _lines(window: Ints) -> Floats:
    made: Floats = operators(COMPARED)[index(window[:, 0], window[:, 1])]
    return made


def _score(rows: Floats, pixels: Floats, columns: Floats, wanted: Floats) -> Floats:
    made = np.matmul(np.matmul(rows, pixels), np.swapaxes(columns, -1, -2))
    return concordance(weighted(made), wanted)
