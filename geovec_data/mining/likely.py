"""Pairs of texts that may say nearly the same: a bit a word spares all others the counting of words.

Five captions an image against six right ones make thirty pairs for each candidate, of which hardly one in a thousand
is near; so pairs are laid out as small dense boxes that stay in the processor's cache, and only those that pass are
listed.
"""

from __future__ import annotations

import numpy as np

from geovec_data.mining.block import Block
from geovec_data.mining.items import Ints, Lists
from geovec_data.mining.words import WordSets

_CELLS = 1 << 16  # pairs looked at at once
_SLACK = 1e-6  # for the rounding of jaccard times a size
_NEVER = 255  # more bits than there are


def likely_pairs(
    block: Block, own: Lists, right: Lists, words: WordSets, jaccard: float, least: int
) -> tuple[Ints, Ints, Ints]:
    """Pair texts of candidates with texts of their groups, without most of those that are nothing alike.

    Args:
        block: the candidates.
        own: texts, by item.
        right: texts, by group.
        words: of the texts.
        jaccard: see `WordSets.alike`.
        least: see `WordSets.alike` and `WordSets.within`; pairs that pass neither may be missing.

    Returns:
        Candidate, own text and right text, one row for each pair.
    """
    # one text more, without words, fills the boxes up
    bits, sizes = np.append(words.bits, np.uint64(0)), np.append(words.sizes, 0)
    # a text shares that many of its words with whatever is near, or all, of which those that have a bit in common
    # with another of its words may not be seen
    hidden = sizes - np.bitwise_count(bits)
    fewest = np.clip(np.ceil(jaccard * sizes - hidden - _SLACK), 1, _NEVER - 1)
    limit = np.where(sizes >= least, fewest, _NEVER).astype(np.uint8)
    item, group = block.candidates.item, block.group[block.candidates.row]
    limits = [(v.starts[k], v.starts[k + 1]) for v, k in ((own, item), (right, group))]
    wide = [int((end - begin).max(initial=0)) for begin, end in limits]
    step = max(1, _CELLS // max(1, wide[0] * wide[1]))
    found: list[tuple[Ints, Ints, Ints]] = [(np.zeros(0, np.int64),) * 3]
    for top in range(0, len(item) if all(wide) else 0, step):
        a, b = (
            _padded(v.values, begin[top : top + step], end[top : top + step], len(sizes) - 1)
            for v, (begin, end) in zip((own, right), limits, strict=True)
        )
        shared = np.bitwise_count(bits[a][:, :, None] & bits[b][:, None, :])
        likely = shared >= limit[a][:, :, None]
        likely |= shared >= limit[b][:, None, :]
        candidate, one, other = np.nonzero(likely)
        found.append((candidate + top, a[candidate, one], b[candidate, other]))
    candidate, one, other = (np.concatenate(v) for v in zip(*found, strict=True))
    return candidate, one, other


def _padded(values: Ints, begin: Ints, end: Ints, filler: int) -> Ints:
    """Return lists as rows of one width, filled up."""
    place = begin[:, None] + np.arange(int((end - begin).max(initial=0)))
    there = place < end[:, None]
    return np.where(there, values[np.minimum(place, len(values) - 1)], filler)
