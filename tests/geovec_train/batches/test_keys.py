"""What items show, read from a built dataset; texts have what they tell of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geovec_data.dataset import Dataset
from geovec_train.batches.data import TrainSet, load_train
from geovec_train.batches.runs import train_tasks
from tests.fixtures.dataset import build, caption_dataset
from tests.fixtures.voc import write_rsvg


def split(dataset: Dataset) -> TrainSet:
    return load_train(dataset, train_tasks(dataset, None), None, 1)


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("regions")
    write_rsvg(folder / "corpus", images=10, expressions=50)
    return build("recipe=rsvg", f"source.root={folder / 'corpus'}", f"out={folder / 'dataset'}", "workers=1", "units=4")


def test_an_expression_has_the_box_and_class_of_its_region(regions: Dataset) -> None:
    train = split(regions)
    con = regions.connect()
    rows = con.execute(
        "SELECT e.query, q.item, r.category, r.box.x0 FROM example_splits e JOIN qrels q ON q.example = e.id"
        " JOIN regions r ON r.id = e.region WHERE e.split = 'train' AND e.task = 'text_to_region'"
    ).fetchall()
    alone = {query for query, *_ in rows if sum(other[0] == query for other in rows) == 1}
    number = {i: n for n, i in enumerate(train.items)}
    keys = train.item_keys
    code: dict[str, int] = {}
    assert alone
    for query, item, category, x0 in rows:
        assert keys.box[number[item], 0] == x0
        assert code.setdefault(category, int(keys.klass[number[item]])) == keys.klass[number[item]] >= 0
        if query in alone:
            assert keys.box[number[query]].tolist() == keys.box[number[item]].tolist()
            assert keys.klass[number[query]] == code[category]


def test_a_caption_of_images_of_several_classes_has_none(tmp_path: Path) -> None:
    train = split(caption_dataset(tmp_path, images=24))
    keys = train.item_keys
    shown: dict[int, set[int]] = {}
    for e in range(len(train)):
        for p in train.positives.row(e):
            for text, image in ((int(train.query[e]), int(p)), (int(p), int(train.query[e]))):
                if train.item_image[text] < 0 <= train.item_image[image]:
                    shown.setdefault(text, set()).add(image)
    assert any(len(images) > 1 for images in shown.values())
    for text, images in shown.items():
        classes = {int(keys.klass[i]) for i in images}
        assert keys.klass[text] == (classes.pop() if len(classes) == 1 else -1)
        assert (keys.image[text] >= 0) == (len(images) == 1)
    assert np.isnan(keys.box).all()
