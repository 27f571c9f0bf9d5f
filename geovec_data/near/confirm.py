"""The stricter comparison: two thumbnails registered onto each other and correlated, frequency by frequency."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from geovec_data.near.look import COMPARED, FRAMES, concordance, turned, weighted
from geovec_data.near.search import Candidates, Positions
from geovec_data.near.space import SPACE
from geovec_data.near.windows import MOST, Floats, Ints, coarse_lines, coarse_windows, index, operators

CHUNK = 512  # pairs; fewer leave two threads waiting for each other, more leave the cache
ROUNDS = ((2, 0.25), (1, 0.6), (1, 0.6))
"""Steps that a round moves a window's edges by, and the score below which a pair is not worth the round.

Of 1,990 copies of real chips that end at 0.9 or more none began below 0.37 or was below 0.75 after the first round;
nine in ten of the pairs that end lower are.
"""
_MOVES = np.array([(a, b) for a in (0, -1, 1) for b in (0, -1, 1)])


def whole_scores(coefs: Floats, pairs: Candidates, threads: int) -> Floats:
    """Compare whole images, pair by pair: coefficients (n, COMPARED, COMPARED) → scores (pairs,), at most 1."""

    def score(part: Ints) -> Floats:
        return concordance(weighted(coefs[pairs.base[part]]), _wanted(coefs, pairs, part))

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(score, _chunks(np.arange(len(pairs.base)))))
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)


def _chunks(rows: Ints) -> list[Ints]:
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


def _wanted(coefs: Floats, pairs: Candidates, part: Ints) -> Floats:
    """Return the weighted coefficients of `other` in the frame in which it is like `base`."""
    out = np.empty((len(pairs.base[part]), COMPARED * COMPARED), dtype=np.float32)
    for f in range(FRAMES):
        rows = pairs.frame[part] == f
        if rows.any():
            out[rows] = weighted(turned(coefs[pairs.other[part][rows]], f))
    return out


def window_scores(thumbs: NDArray[np.uint8], coefs: Floats, pairs: Candidates, threads: int) -> Floats:
    """Correlate `other` with the best window of `base` near the candidate's own; returns scores (pairs,).

    Start and end of the window are moved by two steps, then by one, along rows and columns in turn. Every round looks
    at the pairs that are left alone: few, so that they are gathered anew.
    """
    lines = coarse_lines()[coarse_windows()[pairs.window]]
    rows, columns = lines[:, 0], lines[:, 1]
    best = np.zeros(len(rows), dtype=np.float32)

    def first(part: Ints) -> None:
        pixels, wanted = _pixels(thumbs, pairs.base[part]), _wanted(coefs, pairs, part)
        best[part] = _score(_cut_rows(np.matmul(pixels, _crossed(columns[part])), rows[part]), wanted)

    def again(step: int, part: Ints) -> None:
        pixels, wanted = _pixels(thumbs, pairs.base[part]), _wanted(coefs, pairs, part)
        # what does not move is multiplied once
        across = np.matmul(pixels, _crossed(columns[part]))
        rows[part], top = _moved(partial(_cut_rows, across), wanted, rows[part], step, best[part])
        along = np.matmul(_lines(rows[part]), pixels)
        columns[part], best[part] = _moved(partial(_cut_columns, along), wanted, columns[part], step, top)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(first, _chunks(np.arange(len(best)))))
        for step, hopeless in ROUNDS:
            list(pool.map(partial(again, step), _chunks(np.flatnonzero(best > hopeless))))
    return best


def _pixels(thumbs: NDArray[np.uint8], images: Positions) -> Floats:
    """Return the pixels of some thumbnails as numbers, until the next are asked for."""
    pixels = SPACE.floats((len(images), *thumbs.shape[1:]))
    pixels[:] = thumbs[images]
    return pixels


def _moved(
    window: Callable[[Ints], Floats], wanted: Floats, lines: Ints, step: int, top: Floats
) -> tuple[Ints, Floats]:
    """Try to move the start and end of `lines`; returns the best ones and their scores."""
    chosen, best = lines.copy(), top.copy()
    for move in _MOVES[1:]:
        tried = np.clip(lines + move * step, 0, MOST)
        tried[:, 1] = np.minimum(tried[:, 1], MOST - tried[:, 0])
        score = _score(window(tried), wanted)
        better = score > best
        chosen[better], best[better] = tried[better], score[better]
    return chosen, best


def _cut_rows(columns: Floats, rows: Ints) -> Floats:
    """Return the coefficients of windows of these rows: `columns` are the pixels with their columns cut already."""
    made: Floats = np.matmul(_lines(rows), columns)
    return made


def _cut_columns(rows: Floats, columns: Ints) -> Floats:
    made: Floats = np.matmul(rows, _crossed(columns))
    return made


def _lines(window: Ints) -> Floats:
    made: Floats = operators(COMPARED)[index(window[:, 0], window[:, 1])]
    return made


def _crossed(window: Ints) -> Floats:
    return np.swapaxes(_lines(window), -1, -2)


def _score(made: Floats, wanted: Floats) -> Floats:
    return concordance(weighted(made), wanted)
