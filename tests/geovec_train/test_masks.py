"""The mask against the same rules written out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from geovec_train.data import TrainSet
from geovec_train.masks import allowed
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


@pytest.mark.parametrize("seed", range(12))
def test_mask_equals_the_rules_pair_by_pair(seed: int) -> None:
    train = random_trainset(seed)
    rng = np.random.default_rng(seed)
    examples = np.sort(rng.choice(len(train), 14, replace=False))
    positives = np.array([rng.choice(train.positives.row(int(e))) for e in examples])
    mined = np.concatenate([train.negatives.row(int(e)) for e in examples])
    candidates = np.array(list(dict.fromkeys([*positives.tolist(), *mined.tolist()])))
    column, forward, backward = allowed(train, examples, positives, candidates)
    known = partners(train)
    assert np.array_equal(candidates[column], positives)
    for i, e in enumerate(examples):
        q, p = int(train.query[e]), int(positives[i])
        qk, pk = int(train.item_key[q]), int(train.item_key[p])
        twins = [j for j, f in enumerate(examples) if train.caption[f] == train.caption[e] >= 0]
        for c, item in enumerate(candidates):
            k = int(train.item_key[item])
            wrong = (
                k not in known.get(qk, set())
                and k not in (qk, pk)
                and not any(positives[j] == item for j in twins)
                and not (train.item_alone[item] and train.item_image[item] == train.item_image[q])
                and not (train.scene_only[e] and train.item_image[item] != train.image[e])
            )
            assert forward[i, c] == (wrong or item == p), (i, c)
        for j, f in enumerate(examples):
            k = int(train.item_key[train.query[f]])
            wrong = (
                k not in known.get(pk, set())
                and k not in (qk, pk)
                and j not in twins
                and not (train.item_alone[p] and train.item_image[p] == train.item_image[train.query[f]])
                and not (train.scene_only[f] and train.item_image[p] != train.image[f])
            )
            assert backward[i, j] == (wrong or i == j), (i, j)


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
