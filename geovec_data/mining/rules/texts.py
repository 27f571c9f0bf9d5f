"""Rules of words: the candidate says nearly the same, or what is said of it does."""

from __future__ import annotations

import numpy as np

from geovec_data.mining.block import Block
from geovec_data.mining.items import NONE, Bools
from geovec_data.mining.likely import likely_pairs

LEAST = 3  # words of a text that can nearly say the same; of fewer, one is the whole difference


def near_caption(block: Block) -> Bools:
    """Its words, or those said of it, are nearly the words of the query or a positive, or all among them.

    Sets of words are compared, without articles and the like; numbers, directions and "no" count. "All among them"
    goes one way: what claims less is true of what claims more. That is the candidate's text against the positives'
    texts; where candidates are images, it is the query's text against theirs. Names and answers are left to the
    other rules: one word is all the difference between them.
    """
    truth = block.truth
    if not truth.open:
        return block.nothing
    words = truth.words.content
    if words.sizes.max(initial=0) < LEAST:
        return block.nothing
    jaccard = block.config.caption_jaccard
    candidate, own, right = likely_pairs(block, truth.said, truth.right_texts, words, jaccard, LEAST)
    same = words.alike(own, right, jaccard, LEAST)
    if not block.config.caption_within:
        return block.touched(candidate, same)
    said = truth.items.text[block.candidates.item[candidate]] != NONE
    asked = truth.items.text[block.query[block.candidates.row[candidate]]] == right
    claims = said | asked
    less, more = np.where(said, own, right), np.where(said, right, own)
    same[claims] |= words.within(less[claims], more[claims], LEAST)
    return block.touched(candidate, same)


def scene_expression(block: Block) -> Bools:
    """Tells a region of another scene apart, in words that fit this region too, but for where it lies in its scene.

    A referring expression is unique in its own scene only: "the small plane on the left" of another scene is true
    here as well if this region is a small plane. Expressions of the same scene stay: they are what a region must be
    told from. Compared are the words that describe and do not place.
    """
    truth = block.truth
    if not truth.boxed:
        return block.nothing
    words, jaccard = truth.words.describing, block.config.expression_jaccard
    candidate, own, right = likely_pairs(block, truth.said, truth.right_texts, words, jaccard, 1)
    same = words.alike(own, right, jaccard, 1)
    return block.touched(candidate, same)
