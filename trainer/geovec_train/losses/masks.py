"""What counts as what in a batch: whatever is known to be right is no negative, by keys and without a guide model.

A pair is never a negative when
- any example of the train split calls it right, in either direction (texts that differ in no word are one text);
- both are the same content, or the candidate repeats the example's own positive;
- it is the positive of an example with the same caption key;
- it shows the class, an overlapping box or the neighbourhood of the query or the positive (see `MaskOptions`);
- the candidate is the query's own image alone, which a composition never asks for;
- the example's pool is its scene, its query shows no image, and the candidate lies in another scene: "the large
  tree on the left" is unique in its scene only.

All but the last two can count as further positives instead. What one rule masks and another calls positive is positive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from geovec_train.batches.data import TrainSet
from geovec_train.batches.keys import Matrix
from geovec_train.batches.ragged import Ints
from geovec_train.losses.mask_options import MaskOptions


@dataclass(frozen=True, slots=True)
class Masks:
    """What a batch's scores count as.

    Attributes:
        column: (batch,) where each example's positive stands among the candidates.
        forward: (batch, candidates) what query i is scored against: its positive and its negatives.
        backward: (batch, batch) the queries j that positive i is scored against: its own and its negatives.
        forward_also: (batch, candidates) further positives of query i; none of them is in `forward`.
        backward_also: (batch, batch) further queries that positive i is right for; none of them is in `backward`.
    """

    column: Ints
    forward: Matrix
    backward: Matrix
    forward_also: Matrix
    backward_also: Matrix


def allowed(
    train: TrainSet, examples: Ints, positives: Ints, candidates: Ints, options: MaskOptions | None = None
) -> Masks:
    """Work out the masks of a batch.

    Args:
        train: the train split.
        examples: (batch,) example numbers.
        positives: (batch,) the positive item of each.
        candidates: (candidates,) distinct item numbers, all `positives` among them.
        options: what each key counts as.
    """
    options = options or MaskOptions()
    order = np.argsort(candidates)
    column = order[np.searchsorted(candidates, positives, sorter=order)]
    query, scene = train.query[examples], train.image[examples]
    caption = train.caption[examples]
    twins = (caption[:, None] == caption[None, :]) & (caption >= 0)[:, None]
    own_scene_only = train.scene_only[examples]
    rows = np.arange(len(examples))

    same_caption = np.zeros((len(examples), len(candidates)), dtype=bool)
    i, j = np.nonzero(twins)
    same_caption[i, column[j]] = True
    never = train.item_alone[candidates] & (train.item_image[candidates] == train.item_image[query][:, None])
    never |= own_scene_only[:, None] & (train.item_image[candidates][None, :] != scene[:, None])
    right, also = _right(train, query, positives, candidates, same_caption, options)
    forward, forward_also = ~(never | right), also & ~never
    forward[rows, column], forward_also[rows, column] = True, False

    alone = train.item_alone[positives]
    never = alone[:, None] & (train.item_image[positives][:, None] == train.item_image[query][None, :])
    never |= own_scene_only[None, :] & (train.item_image[positives][:, None] != scene[None, :])
    right, also = _right(train, positives, query, query, twins, options)
    backward, backward_also = ~(never | right), also & ~never
    backward[rows, rows], backward_also[rows, rows] = True, False
    return Masks(column, forward, backward, forward_also, backward_also)


def _right(
    train: TrainSet, asked: Ints, answer: Ints, others: Ints, same_caption: Matrix, options: MaskOptions
) -> tuple[Matrix, Matrix]:
    """Tell which of `others` are known or likely right for `asked`, whose right answer is `answer`.

    Returns:
        (asked, others) what is no negative; and what of it is a further positive.
    """
    keys = train.item_keys
    one = train.item_key
    known = train.known_pair(asked[:, None], others[None, :])
    same = (one[asked][:, None] == one[others][None, :]) | (one[answer][:, None] == one[others][None, :])

    def either(rule: Callable[[Ints, Ints], Matrix]) -> Matrix:
        return rule(asked, others) | rule(answer, others)

    found: list[tuple[str, Matrix]] = [
        (options.qrels, known), (options.duplicate, same), (options.caption, same_caption)
    ]  # fmt: skip
    if options.same_class != "off":
        found.append((options.same_class, either(keys.same_class)))
    if options.overlap != "off":
        found.append((options.overlap, either(lambda a, b: keys.overlapping(a, b, options.max_iou))))
    if options.same_place != "off":
        near = (options.near_factor, options.near_metres)
        found.append((options.same_place, either(lambda a, b: keys.near(a, b, *near))))
    right, also = np.zeros_like(known), np.zeros_like(known)
    for counts_as, pairs in found:
        right |= pairs
        if counts_as == "positive":
            also |= pairs
    return right, also


def told_apart(masks: Masks, asked: Sequence[str], answers: Sequence[str]) -> Masks:
    """Take away the negatives whose words are those of the query or its positive, after texts were changed.

    Args:
        masks: of the batch.
        asked: (batch,) what each query says.
        answers: (candidates,) what each candidate says.
    """
    _, number = np.unique([*asked, *answers], return_inverse=True)
    query, candidate = number[: len(asked)], number[len(asked) :]
    rows = np.arange(len(asked))
    forward = masks.forward & (candidate[masks.column][:, None] != candidate[None, :])
    backward = masks.backward & (query[:, None] != query[None, :])
    forward[rows, masks.column] = backward[rows, rows] = True
    return replace(masks, forward=forward, backward=backward)
