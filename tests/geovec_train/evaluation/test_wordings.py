"""Class names in several wordings: what is said, and that the mean is one of unit vectors."""

from __future__ import annotations

import numpy as np
import pytest

from geovec_data.dataset import Dataset
from geovec_train.evaluation.pools import pools
from geovec_train.evaluation.wordings import MEAN, TASK, WORDINGS, in_words, worded
from tests.fixtures.handmade import painted


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(painted(tmp_path_factory.mktemp("wordings") / "data", scenes=9))


def test_names_are_said_in_other_words_and_nothing_else_is(dataset: Dataset) -> None:
    shown = in_words("a satellite photo of {}").of(dataset)
    for row in dataset.read("items", ["id", "modality"]).to_pylist():
        before, after = dataset.items.segments(row["id"]), shown.items.segments(row["id"])
        assert [s.kind for s in before] == [s.kind for s in after]
        for was, now in zip(before, after, strict=True):
            if was.text:
                assert now.text in (f"a satellite photo of {a} {was.text}" for a in ("a", "an"))
            else:
                assert now == was


def test_each_wording_is_scored_and_their_mean(dataset: Dataset) -> None:
    con = dataset.connect()
    (pool,) = pools(dataset, con, "test", [TASK])
    con.close()
    plain = np.eye(len(pool.items), dtype=np.float32)
    rows = list(worded(pool, plain, lambda view: plain[::-1] if view.name == in_words(WORDINGS[0]).name else plain))
    assert [p.subset for p, _ in rows] == [*(w.replace("{}", "…") for w in WORDINGS), MEAN]
    assert np.array_equal(rows[0][1], plain[::-1])
    assert np.linalg.norm(rows[-1][1], axis=1) == pytest.approx(1)
    total = plain * 3 + plain[::-1]
    assert rows[-1][1] == pytest.approx(total / np.linalg.norm(total, axis=1, keepdims=True))


def test_wordings_differ_and_name_the_class_once() -> None:
    assert len({in_words(w).name for w in WORDINGS}) == len(WORDINGS)
    assert all(w.count("{}") == 1 for w in WORDINGS)
