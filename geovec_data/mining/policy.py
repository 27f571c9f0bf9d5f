"""The false-negative policy: an ordered list of small named rules, each of which says which candidates it drops.

A candidate is counted for the first rule that drops it. Rules see flat columns of a block of examples and answer
with one boolean per candidate; adding a rule is adding a function to `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geovec_data.mining.config import PolicyConfig
from geovec_data.mining.plan import NONE, Bools, Ints, Items, Lists, Numbers, TaskPlan, ranges, spread

Floats = NDArray[np.float32]
KEPT = -1


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


class Truth:
    """What is right for each query of a task: the union over all examples, twins of the query included.

    Args:
        plan: the task.
        items: the items' columns.
    """

    def __init__(self, plan: TaskPlan, items: Items) -> None:
        self.items = items
        _, self._group = np.unique(items.twins[plan.query], return_inverse=True)
        self._groups = int(self._group.max(initial=-1)) + 1
        example = spread(np.diff(plan.positives.starts))
        self._pairs = (self._group[example], plan.positives.values)
        self._queries = (self._group, plan.query)
        self.regional = bool(_boxed(items)[items.modality[plan.pool]].any())
        self.positives = self._lists(self._pairs)
        self.texts = self._lists(self._pairs, self._queries, of=items.text)
        self.images = self._lists(self._pairs, self._queries, of=items.image)
        # the same positives, ordered by image within a group: those of one image are found by bisection
        self.by_image = np.argsort(items.image, kind="stable")
        place = np.empty_like(self.by_image)
        place[self.by_image] = np.arange(len(place))
        self.positives_by_image = self._lists((self._pairs[0], place[self._pairs[1]]))

    def _lists(self, *pairs: tuple[Ints, Ints], of: Numbers | None = None) -> Lists:
        group = np.concatenate([g for g, _ in pairs])
        value = np.concatenate([v for _, v in pairs])
        if of is not None:
            value = of[value].astype(np.int64)
            group, value = group[value != NONE], value[value != NONE]
        return Lists.of(group, value, self._groups)

    def group(self, examples: Ints) -> Ints:
        """Return the query group of each example (position in the plan)."""
        out: Ints = self._group[examples]
        return out


@dataclass(frozen=True, slots=True)
class Block:
    """What a rule looks at.

    Attributes:
        candidates: the candidates.
        group: query group of each example of the block.
        query: query item of each example.
        positive_score: similarity of the example's least similar positive.
        truth: what is right for each query group.
        config: the policy's limits.
    """

    candidates: Candidates
    group: Ints
    query: Ints
    positive_score: Floats
    truth: Truth
    config: PolicyConfig

    def among(self, lists: Lists, value: Ints) -> Bools:
        """Tell of each candidate whether its value is in its query group's list; -1 never is."""
        row, right = lists.take(self.group)
        if not len(right):
            return np.zeros(len(value), np.bool_)
        width = int(max(right.max(), value.max(initial=0))) + 1
        keys = row * width + right  # ascending: rows ascend, and values within a row
        asked = self.candidates.row * width + value
        place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        out: Bools = (keys[place] == asked) & (value != NONE)
        return out


def known_positive(block: Block) -> Bools:
    """Right for this query in any example of the split, or the query itself."""
    item = block.candidates.item
    out: Bools = block.among(block.truth.positives, item) | (item == block.query[block.candidates.row])
    return out


def duplicate_caption(block: Block) -> Bools:
    """Says the same as a positive or as the query, but for case, punctuation and blanks."""
    return block.among(block.truth.texts, block.truth.items.text[block.candidates.item].astype(np.int64))


def same_image(block: Block) -> Bools:
    """Shows a positive's image or the query's; where candidates are regions: overlaps a positive's box in it."""
    truth, items = block.truth, block.truth.items
    item, row = block.candidates.item, block.candidates.row
    shown = items.image[item].astype(np.int64)
    if not truth.regional:
        return block.among(truth.images, shown)
    owner, place = truth.positives_by_image.take(block.group)
    positive = truth.by_image[place]
    width = int(items.image.max(initial=NONE)) + 2
    keys, asked = owner * width + items.image[positive] + 1, row * width + shown + 1
    begin = np.searchsorted(keys, asked, side="left")
    end = np.where(shown == NONE, begin, np.searchsorted(keys, asked, side="right"))
    candidate = spread(end - begin)
    overlap = iou(items.box[positive[ranges(begin, end)]], items.box[item[candidate]]) >= block.config.max_iou
    out = np.zeros(len(item), np.bool_)
    out[candidate[overlap]] = True
    return out


def relative_margin(block: Block) -> Bools:
    """Scored above ``positive - |positive| · margin``; the absolute value keeps the sign right below zero."""
    margin = block.config.relative_margin
    if margin is None:
        return np.zeros(len(block.candidates.row), np.bool_)
    limit = block.positive_score - np.abs(block.positive_score) * np.float32(margin)
    out: Bools = block.candidates.score > limit[block.candidates.row]
    return out


def max_score(block: Block) -> Bools:
    """More similar than `policy.max_score`."""
    limit = block.config.max_score
    out: Bools = block.candidates.score > (np.inf if limit is None else limit)
    return out


def min_score(block: Block) -> Bools:
    """Less similar than `policy.min_score`."""
    limit = block.config.min_score
    out: Bools = block.candidates.score < (-np.inf if limit is None else limit)
    return out


RULES: tuple[Callable[[Block], Bools], ...] = (
    known_positive,
    duplicate_caption,
    same_image,
    relative_margin,
    max_score,
    min_score,
)
RULE_NAMES = tuple(rule.__name__ for rule in RULES)


def judge(block: Block) -> NDArray[np.int8]:
    """Return for each candidate the number of the first rule that drops it, or `KEPT`."""
    verdict = np.full(len(block.candidates.row), KEPT, np.int8)
    for number, rule in enumerate(RULES):
        verdict[rule(block) & (verdict == KEPT)] = number
    return verdict


def iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes x0, y0, x1, y1, row by row; NaN for an item without a box."""
    size = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    inside = np.prod(np.maximum(size, 0.0), axis=1)
    union = np.prod(a[:, 2:] - a[:, :2], axis=1) + np.prod(b[:, 2:] - b[:, :2], axis=1) - inside
    with np.errstate(divide="ignore", invalid="ignore"):
        out: NDArray[np.float64] = inside / union
    return out


def _boxed(items: Items) -> Bools:
    return np.array([m.endswith("box") for m in items.modalities], np.bool_)
