"""Rules of scores: ranks, limits and margins. All are off unless asked for.

Margins are taken from the example's least or most similar positive (`policy.against`). Below zero a margin still
lowers the limit: it is ``positive - |positive| · margin``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.mining.block import Block, Floats
from geovec_data.mining.items import Bools


def rank_range(block: Block) -> Bools:
    """Ranks before `policy.min_rank`, or at `policy.max_rank` and after, among what the rules before left."""
    if not block.config.min_rank and block.config.max_rank is None:
        return block.nothing
    row = block.candidates.row
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    last = block.config.max_rank
    out: Bools = rank < block.config.min_rank
    return out if last is None else out | (rank >= last)


def max_score(block: Block) -> Bools:
    """More similar than `policy.max_score`."""
    limit = block.config.max_score
    return block.nothing if limit is None else block.candidates.score > limit


def min_score(block: Block) -> Bools:
    """Less similar than `policy.min_score`."""
    limit = block.config.min_score
    return block.nothing if limit is None else block.candidates.score < limit


def absolute_margin(block: Block) -> Bools:
    """Scored above ``positive - margin``."""
    margin = block.config.absolute_margin
    return block.nothing if margin is None else _above(block, _positive(block) - np.float32(margin))


def relative_margin(block: Block) -> Bools:
    """Scored above ``positive - |positive| · margin``."""
    margin = block.config.relative_margin
    if margin is None:
        return block.nothing
    return _above(block, _positive(block) - np.abs(_positive(block)) * np.float32(margin))


def percentage(block: Block) -> Bools:
    """Scored above this share of the positive: TopK-PercPos of NV-Retriever (arXiv 2407.15831), there 0.95.

    For a positive above zero it is `relative_margin` of 1 - share; below zero likewise, with the sign kept right.
    """
    share = block.config.percentage
    if share is None:
        return block.nothing
    return _above(block, _positive(block) - np.abs(_positive(block)) * np.float32(1.0 - share))


def _positive(block: Block) -> Floats:
    return block.positive.low if block.config.against == "lowest" else block.positive.high


def _above(block: Block, limit: NDArray[np.floating[Any]]) -> Bools:
    out: Bools = block.candidates.score > limit[block.candidates.row]
    return out
