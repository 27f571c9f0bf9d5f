"""A train split made of random keys, for tests of masks, schedule and batches."""

from __future__ import annotations

import numpy as np

from geovec_train.batches.data import TrainSet
from geovec_train.batches.keys import ItemKeys
from geovec_train.batches.ragged import Ragged


def random_trainset(
    seed: int, *, examples: int = 40, items: int = 30, scenes: int = 6, tasks: int = 2, corpora: int = 1
) -> TrainSet:
    """Random examples over few items, keys, captions and scenes, so that every kind of collision happens."""
    rng = np.random.default_rng(seed)
    key_names = int(items * 0.8)
    item_key = rng.integers(0, key_names, items)
    rows = [np.unique(rng.integers(0, items, rng.integers(1, 4))) for _ in range(examples)]
    negatives = [rng.integers(0, items, rng.integers(0, 4)) for _ in range(examples)]
    query = rng.integers(0, items, examples)
    pairs = [(int(item_key[q]), int(item_key[p])) for q, row in zip(query, rows, strict=True) for p in row]
    codes = [a * key_names + b for a, b in pairs] + [b * key_names + a for a, b in pairs]
    item_image = rng.integers(-1, scenes, items)
    return TrainSet(
        ids=[f"e{n:03d}" for n in range(examples)],
        tasks=[f"task{t}" for t in range(tasks)],
        task=rng.integers(0, tasks, examples),
        corpora=[f"corpus{c}" for c in range(corpora)],
        corpus=np.arange(examples) % corpora,
        instruction=[f"task/{n % 3}" for n in range(examples)],
        query=query,
        image=rng.integers(0, scenes, examples),
        caption=rng.integers(-1, 8, examples),
        scene_only=rng.random(examples) < 0.4,
        positives=_ragged(rows),
        negatives=_ragged(negatives),
        items=[f"i{n}" for n in range(items)],
        item_key=item_key,
        item_image=item_image,
        item_alone=(rng.random(items) < 0.4) & (item_image >= 0),
        item_keys=ItemKeys(
            klass=rng.integers(-1, 5, items),
            image=item_image,
            box=_boxes(rng, items),
            place=np.where(rng.random((items, 1)) < 0.7, rng.normal(0, 0.02, (items, 2)), np.nan),
            reach=rng.uniform(0, 900, items) * (rng.random(items) < 0.7),
        ),
        images=[f"s{n}" for n in range(scenes)],
        known=np.unique(np.array(codes, dtype=np.int64)),
        keys=key_names,
        pool={},
    )


def _ragged(rows: list[np.ndarray]) -> Ragged:
    numbers = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    return Ragged.of(numbers, np.concatenate(rows).astype(np.int64), len(rows))


def _boxes(rng: np.random.Generator, items: int) -> np.ndarray:
    corner, size = rng.uniform(0, 30, (items, 2)), rng.uniform(5, 60, (items, 2))
    return np.where(rng.random((items, 1)) < 0.7, np.concatenate([corner, corner + size], axis=1), np.nan)
