"""The rule of the second model."""

from __future__ import annotations

import numpy as np

from geovec_data.mining.block import Block
from geovec_data.mining.items import Bools, Ints


def rescore(block: Block) -> Bools:
    """The second model scores it above ``positive - |positive| · policy.rescore_margin``, by its own scores.

    Asked of the first ``policy.rescore_depth`` that the rules before left; the others stay, after them.
    """
    out = block.nothing
    second, margin = block.truth.second, block.config.rescore_margin
    if second is None or margin is None:
        return out
    asked = first(block.candidates.row, block.config.rescore_depth)
    candidates = block.candidates.keep(asked)
    score = second.scores(block.examples, candidates.row, candidates.place)
    positive = second.positive(block.examples)
    low = positive.low if block.config.against == "lowest" else positive.high
    limit = low - np.abs(low) * np.float32(margin)
    out[asked] = score > limit[block.candidates.row[asked]]
    return out


def first(row: Ints, depth: int) -> Ints:
    """Return the numbers of the first `depth` candidates of each example."""
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    return np.flatnonzero(rank < depth)
