"""Images with several classes: every class is right, every other one is a negative, in training and in evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from geovec_data.dataset import Dataset
from geovec_train.batches.data import TrainSet, load_train
from geovec_train.evaluation.pools import pools
from geovec_train.losses.masks import allowed
from tests.fixtures.bigearthnet import write_v2
from tests.fixtures.dataset import build

TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
LABELS = (
    ["Arable land", "Pastures"],
    ["Arable land", "Inland waters"],  # the same first label, another second one
    ["Mixed forest"],
    ["Mixed forest", "Pastures", "Marine waters"],
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("labels")
    rows = [
        {"patch_id": f"{TILE}_{10 * part + n}_07", "labels": labels, "split": split}
        for part, split in enumerate(("train", "test"))
        for n, labels in enumerate(LABELS)
    ]
    write_v2(folder / "corpus", rows)
    arguments = ["recipe=bigearthnet", f"source.root={folder / 'corpus'}", f"out={folder / 'out'}", "workers=1"]
    return build(*arguments, "tasks=[scene_class]")


def names(dataset: Dataset) -> dict[str, str]:
    con = dataset.connect()
    rows = con.execute("SELECT id, segments[1].text FROM items WHERE modality = 'text'").fetchall()
    con.close()
    return dict(rows)


def right(train: TrainSet, example: int) -> set[int]:
    return set(train.positives.row(example).tolist())


def test_in_a_batch_the_negatives_are_the_classes_that_do_not_hold(dataset: Dataset) -> None:
    train = load_train(dataset, ["scene_class"], None, 0)
    examples = np.arange(len(train))
    assert sorted(len(right(train, e)) for e in examples) == [1, 2, 2, 3]
    # every choice of one label an image, as the epochs draw them
    for turn in range(6):
        drawn = [sorted(right(train, e))[turn % len(right(train, e))] for e in examples]
        positives = np.array(drawn)
        candidates = np.unique(positives)
        masks = allowed(train, examples, positives, candidates)
        for i, e in enumerate(examples):
            for c, item in enumerate(candidates):
                assert masks.forward[i, c] == (item not in right(train, e) or c == masks.column[i])
            for j, f in enumerate(examples):
                assert masks.backward[i, j] == (positives[i] not in right(train, f) or i == j)


def test_every_class_that_holds_counts_as_right(dataset: Dataset) -> None:
    con = dataset.connect()
    (pool,) = pools(dataset, con, "test", ["scene_class"])
    con.close()
    named = names(dataset)
    found = sorted(sorted(named[pool.items[i]] for i in right) for right in pool.positives)
    assert found == sorted(sorted(label.lower() for label in labels) for labels in LABELS)
    assert {len(v) for v in pool.groups.values()} == {5}  # the classes that the corpus shows
