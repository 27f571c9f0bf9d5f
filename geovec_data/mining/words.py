"""Texts as sets of words: how much two say of the same, exactly, with a bound that spares most pairs the counting."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geovec_data.ids import normalise_text
from geovec_data.mining.chance import signs, unit
from geovec_data.mining.items import Bools, Ints, Items, Lists, spread


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# words that make no difference to what a sentence says; never a number, a direction, "no" or "without"
_EMPTY = _set(
    "a an the this that these those there here it its is are be was were been being has have had can of in on at with"
    " and by to from as image picture photo photograph aerial view scene seen which some"
)
# words that place a region in its own scene and say nothing of another scene's
_PLACING = _set(
    "left right top bottom upper lower middle center centre central side corner edge far most near next above below"
    " between beside close leftmost rightmost topmost lowest highest first second third one smallest largest biggest"
    " than other north south east west northern southern eastern western"
)


class Words:
    """The words of every distinct text of a dataset.

    Args:
        items: the dataset's items; texts are numbered as in `Items.text`.
    """

    def __init__(self, items: Items) -> None:
        self._items = items

    @cached_property
    def content(self) -> WordSets:
        """Words with a meaning of their own."""
        return WordSets(self._items.texts, _EMPTY)

    @cached_property
    def describing(self) -> WordSets:
        """Those that tell what something is, and not where in its scene."""
        return WordSets(self._items.texts, _EMPTY | _PLACING)


class WordSets:
    """Sets of words by text.

    Args:
        texts: the texts.
        without: words that do not count.

    Attributes:
        sizes: how many words each has, shape (texts,).
        bits: a bit of 64 for each word of each, shape (texts,).
    """

    def __init__(self, texts: list[str], without: frozenset[str]) -> None:
        split = pc.split_pattern(pa.array([normalise_text(t) for t in texts], pa.string()), " ")
        row, found = np.asarray(pc.list_parent_indices(split)), pc.list_flatten(split).dictionary_encode()
        counts = np.array([bool(w) and w not in without for w in found.dictionary.to_pylist()], np.bool_)
        number = np.asarray(found.indices)
        chosen = counts[number]
        code = np.cumsum(counts) - 1  # in the order of their first appearance
        self._lists = Lists.of(row[chosen].astype(np.int64), code[number[chosen]].astype(np.int64), len(texts))
        self._width = int(counts.sum()) + 1
        self.sizes: Ints = np.diff(self._lists.starts)
        self._keys = spread(self.sizes) * self._width + self._lists.values  # ascending
        # one bit a word: a bit of one text alone is a word of it alone, which bounds what they share
        bit = np.uint64(1) << ((self._lists.values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58))
        self.bits: NDArray[np.uint64] = np.zeros(len(texts), np.uint64)
        said = np.flatnonzero(self.sizes)
        if len(said):
            self.bits[said] = np.bitwise_or.reduceat(bit, self._lists.starts[said])

    def shared(self, one: Ints, other: Ints) -> Ints:
        """Count the words that both of each pair have."""
        row, word = self._lists.take(one)
        if not len(self._keys):
            return np.zeros(len(one), np.int64)
        asked = other[row] * self._width + word
        place = np.minimum(np.searchsorted(self._keys, asked), len(self._keys) - 1)
        return np.bincount(row[self._keys[place] == asked], minlength=len(one))

    def projected(self, said: Lists, width: int = 128) -> NDArray[np.float32]:
        """Return what is said in lists of texts as unit vectors; texts that share rare words are near.

        Each distinct word weighs the logarithm of how rare it is among the lists; words of one list alone tell of no
        likeness. A word is a row of signs (random projection): cosines are within about ``1 / sqrt(width)`` of those
        over the vocabulary.

        Args:
            said: numbers of texts, by list.
            width: length of the vectors.
        """
        from scipy import sparse

        count = len(said.starts) - 1
        position, word = self._lists.take(said.values)
        lists = Lists.of(spread(np.diff(said.starts))[position], word, count)
        found = np.bincount(lists.values, minlength=self._width)
        weight = np.where(found > 1, np.log(max(count, 1) / np.maximum(found, 1)), 0.0).astype(np.float32)
        bags = sparse.csr_matrix((weight[lists.values], lists.values, lists.starts), shape=(count, self._width))
        return unit(bags @ signs(np.arange(self._width), width))

    def alike(self, one: Ints, other: Ints, jaccard: float, least: int) -> Bools:
        """Tell of each pair whether shared words / all words is at least `jaccard`; short texts never are."""
        a, b = self.sizes[one], self.sizes[other]
        possible = np.minimum(
            a - np.bitwise_count(self.bits[one] & ~self.bits[other]),
            b - np.bitwise_count(self.bits[other] & ~self.bits[one]),
        )
        out: Bools = (np.minimum(a, b) >= least) & (possible >= jaccard * (a + b - possible))
        at = np.flatnonzero(out)
        both = self.shared(one[at], other[at])
        out[at] = both >= jaccard * (a[at] + b[at] - both)
        return out

    def within(self, one: Ints, other: Ints, least: int) -> Bools:
        """Tell of each pair whether the other has every word of the one, which has `least` at the least."""
        out: Bools = (self.sizes[one] >= least) & ((self.bits[one] & ~self.bits[other]) == 0)
        at = np.flatnonzero(out)
        out[at] = self.shared(one[at], other[at]) == self.sizes[one[at]]
        return out
