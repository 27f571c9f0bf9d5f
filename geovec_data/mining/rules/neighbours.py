"""The rule of neighbours: what is described like a positive, at however many removes, is likely to be right too."""

from __future__ import annotations

import numpy as np

from geovec_data.mining.block import Block
from geovec_data.mining.items import Bools


def same_neighbourhood(block: Block) -> Bools:
    """Shows, or describes, what lies in the neighbourhood of what the query or a positive shows.

    Asked where classes do not tell: of candidates or queries without one, or with ``policy.same_class=off``. Labels
    are not read (`geovec_data.mining.neighbourhood`). Not asked where likeness makes nothing right (questions,
    compositions) and where a place decides. An image of a positive, or of the query, is for the rules before.
    """
    truth = block.truth
    if truth.neighbourhood is None or not truth.open or truth.place_decides:
        return block.nothing
    asked = np.ones(len(block.candidates.row), np.bool_)
    if block.config.same_class != "off":
        classed = np.diff(truth.item_classes.starts)[block.candidates.item] > 0
        asked = ~(classed & (np.diff(truth.classes.starts)[block.group] > 0)[block.candidates.row])
        if not asked.any():
            return block.nothing
    candidate, left, right = block.faces()
    there = asked[candidate]
    candidate, left, right = candidate[there], left[there], right[there]
    return block.touched(candidate, truth.neighbourhood.alike(left, right, block.config.walk_cosine))
