"""What a rule of the policy looks at: candidates of a block of examples, flat, and what is known of their queries."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geovec_data.mining.items import NONE, Bools, Ints, Lists, ranges, spread
from geovec_data.mining.policy_config import PolicyConfig
from geovec_data.mining.truth import Truth

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of a block of examples, flat, example by example, most similar first.

    Attributes:
        row: position of the example in the block, ascending.
        place: position in the task's pool.
        item: item number.
        score: cosine similarity to the anchor.
    """

    row: Ints
    place: Ints
    item: Ints
    score: Floats

    def keep(self, chosen: Bools | Ints) -> Candidates:
        """Return some of them, by mask or by number; rows keep their numbers."""
        return Candidates(self.row[chosen], self.place[chosen], self.item[chosen], self.score[chosen])


@dataclass(frozen=True, slots=True)
class Positive:
    """How similar each example's positives are to its anchor.

    Attributes:
        low: the least similar one, shape (examples,).
        high: the most similar one.
    """

    low: Floats
    high: Floats

    def take(self, index: Ints) -> Positive:
        """Return those of some examples."""
        return Positive(self.low[index], self.high[index])


@dataclass(frozen=True, slots=True)
class Block:
    """What a rule looks at.

    Attributes:
        candidates: the candidates.
        group: query group of each example of the block.
        query: query item of each example.
        positive: similarity of each example's positives.
        truth: what is right for each query group.
        config: the policy's limits.
        examples: number of each example in its task; empty where no rule asks a second model.
    """

    candidates: Candidates
    group: Ints
    query: Ints
    positive: Positive
    truth: Truth
    config: PolicyConfig
    examples: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def nothing(self) -> Bools:
        """An answer that takes none of the candidates."""
        return np.zeros(len(self.candidates.row), np.bool_)

    def among(self, lists: Lists, value: Ints, row: Ints | None = None) -> Bools:
        """Tell of each value whether it is in its query group's list; -1 never is.

        Args:
            lists: lists by query group.
            value: one value a candidate, or one for each of `row`.
            row: example of each value; None: the candidates'.
        """
        if row is None:
            row = self.candidates.row
        groups, inverse = np.unique(self.group, return_inverse=True)
        owner, right = lists.take(groups)
        if not len(right) or not (value != NONE).any():
            return np.zeros(len(value), np.bool_)
        width = int(max(right.max(), value.max(initial=0))) + 1
        keys = owner * width + right  # ascending: groups ascend, and values within a group
        asked = inverse[row] * width + value
        place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        out: Bools = (keys[place] == asked) & (value != NONE)
        return out

    def pairs(self, of_candidate: Lists, of_group: Lists) -> tuple[Ints, Ints, Ints]:
        """Pair everything of a candidate's item with everything of its query group.

        Returns:
            Candidate, value of the candidate and value of the group, one row for each pair.
        """
        if not len(of_candidate.values) or not len(of_group.values):
            none = np.zeros(0, np.int64)
            return none, none, none
        candidate, left = of_candidate.take(self.candidates.item)
        group = self.group[self.candidates.row[candidate]]
        begin, end = of_group.starts[group], of_group.starts[group + 1]
        pair = spread(end - begin)
        return candidate[pair], left[pair], of_group.values[ranges(begin, end)]

    def faces(self) -> tuple[Ints, Ints, Ints]:
        """Pair what candidates show with what their queries and positives show."""
        return self.pairs(self.truth.faces, self.truth.subjects)

    def images(self) -> tuple[Ints, Ints, Ints]:
        """As `faces`, but image numbers, and pairs of two different images alone."""
        candidate, left, right = self.faces()
        one, other = (self.truth.items.image[v].astype(np.int64) for v in (left, right))
        apart = (one != other) & (one != NONE) & (other != NONE)
        return candidate[apart], one[apart], other[apart]

    def touched(self, candidate: Ints, hit: Bools) -> Bools:
        """Mark the candidates of the pairs that are hit."""
        out = self.nothing
        out[candidate[hit]] = True
        return out
