"""The mask against the same rules written out pair by pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geovec_data.geometry.geo import distance_m
from geovec_train.batches.data import TrainSet
from geovec_train.losses.mask_options import MaskOptions
from geovec_train.losses.masks import allowed
from tests.geovec_train.toy import random_trainset


def partners(train: TrainSet) -> dict[int, set[int]]:
    """Key → keys that some example puts together with it, in either direction."""
    out: dict[int, set[int]] = {}
    for e in range(len(train)):
        q = int(train.item_key[train.query[e]])
        for p in train.positives.row(e):
            k = int(train.item_key[p])
            out.setdefault(q, set()).add(k)
            out.setdefault(k, set()).add(q)
    return out


NEVER, RIGHT, ALSO, NEGATIVE = "never", "right", "also", "negative"

OPTIONS = [
    MaskOptions(),
    MaskOptions(overlap="off"),
    MaskOptions(same_class="mask", same_place="mask", max_iou=0.3),
    MaskOptions(same_class="positive", overlap="off", same_place="mask", near_factor=0.5, near_metres=1500),
    MaskOptions(qrels="positive", duplicate="positive", caption="positive", overlap="positive", same_place="positive"),
    MaskOptions(qrels="positive", same_class="mask"),
]


def iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def likely(train: TrainSet, a: int, b: int, options: MaskOptions) -> dict[str, bool]:
    """Which of the rules that read what items show hold for two items."""
    keys = train.item_keys
    one_image = keys.image[a] == keys.image[b] != -1
    boxes = not (np.isnan(keys.box[a]).any() or np.isnan(keys.box[b]).any())
    places = not (np.isnan(keys.place[a]).any() or np.isnan(keys.place[b]).any())
    limit = max(options.near_factor * (keys.reach[a] + keys.reach[b]), options.near_metres)
    return {
        "same_class": keys.klass[a] == keys.klass[b] != -1,
        "overlap": bool(one_image and boxes and iou(keys.box[a].tolist(), keys.box[b].tolist()) >= options.max_iou),
        "same_place": bool(not one_image and places and float(distance_m(*keys.place[a], *keys.place[b])) <= limit),
    }


def counts_as(train: TrainSet, asked: int, answer: int, other: int, twin: bool, options: MaskOptions) -> str:
    """What `other` is to `asked`, whose right answer is `answer`: the rules one after another, for one pair."""
    known = partners(train)
    key = {n: int(train.item_key[n]) for n in (asked, answer, other)}
    holds = {
        "qrels": key[other] in known.get(key[asked], set()),
        "duplicate": key[other] in (key[asked], key[answer]),
        "caption": twin,
    }
    for name in ("same_class", "overlap", "same_place"):
        holds[name] = any(likely(train, a, other, options)[name] for a in (asked, answer))
    answers = {getattr(options, rule) for rule, true in holds.items() if true} - {"off"}
    return ALSO if "positive" in answers else RIGHT if answers else NEGATIVE


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("seed", range(4))
def test_mask_equals_the_rules_pair_by_pair(seed: int, options: MaskOptions) -> None:
    train = random_trainset(seed)
    rng = np.random.default_rng(seed)
    examples = np.sort(rng.choice(len(train), 12, replace=False))
    positives = np.array([rng.choice(train.positives.row(int(e))) for e in examples])
    mined = np.concatenate([train.negatives.row(int(e)) for e in examples])
    candidates = np.array(list(dict.fromkeys([*positives.tolist(), *mined.tolist()])))
    masks = allowed(train, examples, positives, candidates, options)
    assert np.array_equal(candidates[masks.column], positives)
    for i, e in enumerate(examples):
        q, p = int(train.query[e]), int(positives[i])
        twins = [j for j, f in enumerate(examples) if train.caption[f] == train.caption[e] >= 0]
        for c, item in enumerate(candidates.tolist()):
            never = train.item_alone[item] and train.item_image[item] == train.item_image[q]
            never = never or (train.scene_only[e] and train.item_image[item] != train.image[e])
            twin = any(positives[j] == item for j in twins)
            what = NEVER if never else counts_as(train, q, p, item, twin, options)
            assert masks.forward[i, c] == (item == p or what == NEGATIVE), (i, c)
            assert masks.forward_also[i, c] == (item != p and what == ALSO), (i, c)
        for j, f in enumerate(examples):
            other = int(train.query[f])
            never = train.item_alone[p] and train.item_image[p] == train.item_image[other]
            never = never or (train.scene_only[f] and train.item_image[p] != train.image[f])
            what = NEVER if never else counts_as(train, p, q, other, j in twins, options)
            assert masks.backward[i, j] == (i == j or what == NEGATIVE), (i, j)
            assert masks.backward_also[i, j] == (i != j and what == ALSO), (i, j)


@pytest.mark.parametrize("rule", ["same_class", "overlap", "same_place"])
def test_every_likely_rule_masks_something_that_no_other_does(rule: str) -> None:
    left = {"mask": 0, "off": 0}
    for seed in range(4):
        train = random_trainset(seed)
        examples = np.arange(20)
        positives = np.array([train.positives.row(e)[0] for e in range(20)])
        candidates = np.unique(np.concatenate([positives, train.negatives.values]))
        off: dict[str, Any] = {"same_class": "off", "overlap": "off", "same_place": "off", "max_iou": 0.2}
        for answer in left:
            options = MaskOptions.model_validate(off | {rule: answer})
            masks = allowed(train, examples, positives, candidates, options)
            left[answer] += masks.forward.sum() + masks.backward.sum()
    assert left["mask"] < left["off"]


def test_random_cases_meet_every_rule() -> None:
    """The brute force above would prove little if its cases never collided."""
    train = random_trainset(0)
    assert len(train.known) > 20
    assert len(np.unique(train.item_key)) < len(train.items)
    assert (np.bincount(train.caption[train.caption >= 0]) > 1).any()
    assert train.scene_only.any()
    assert not train.scene_only.all()
    assert train.item_alone.any()
    assert not train.item_alone[train.item_image >= 0].all()
