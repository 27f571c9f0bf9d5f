"""Which candidates may count as negatives: everything that is not known to be right, by keys and without a guide model.

A pair is never a negative when
- any example of the train split calls it right, in either direction (texts that differ in no word are one text);
- both are the same content, or the candidate repeats the example's own positive;
- it is the positive of an example with the same caption key;
- the candidate is the query's own image alone, which a composition never asks for;
- the example's pool is its scene, its query shows no image, and the candidate lies in another scene: "the large
  tree on the left" is unique in its scene only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geovec_train.data import TrainSet
from geovec_train.ragged import Ints

Mask = NDArray[np.bool_]


def allowed(train: TrainSet, examples: Ints, positives: Ints, candidates: Ints) -> tuple[Ints, Mask, Mask]:
    """Work out the masks of a batch.

    Args:
        train: the train split.
        examples: (batch,) example numbers.
        positives: (batch,) the positive item of each.
        candidates: (candidates,) distinct item numbers, all `positives` among them.

    Returns:
        ``column`` (batch,): where each example's positive stands in `candidates`;
        ``forward`` (batch, candidates): what query i is scored against, its positive included;
        ``backward`` (batch, batch): the queries j that positive i is scored against, its own included.
    """
    order = np.argsort(candidates)
    column = order[np.searchsorted(candidates, positives, sorter=order)]
    query, scene = train.query[examples], train.image[examples]
    caption = train.caption[examples]
    same_caption = (caption[:, None] == caption[None, :]) & (caption >= 0)[:, None]
    same_positive = train.item_key[positives][:, None] == train.item_key[candidates][None, :]
    own_scene_only = train.scene_only[examples]
    rows = np.arange(len(examples))

    no = train.related(query[:, None], candidates[None, :]) | same_positive
    i, j = np.nonzero(same_caption)
    no[i, column[j]] = True
    shown, alone = train.item_image[query], train.item_alone[candidates]
    no |= alone[None, :] & (train.item_image[candidates][None, :] == shown[:, None])
    no |= own_scene_only[:, None] & (train.item_image[candidates][None, :] != scene[:, None])
    forward = ~no
    forward[rows, column] = True

    no = train.related(query[None, :], positives[:, None]) | same_caption
    no |= train.item_key[query][:, None] == train.item_key[query][None, :]
    alone = train.item_alone[positives]
    no |= alone[:, None] & (train.item_image[positives][:, None] == shown[None, :])
    no |= own_scene_only[None, :] & (train.item_image[positives][:, None] != scene[None, :])
    backward = ~no
    backward[rows, rows] = True
    return column, forward, backward
