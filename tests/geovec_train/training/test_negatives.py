"""Mined negatives in training: which run, whose, how many, from when on."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.mining.runs import choose_run
from geovec_train.batches.batch import BatchMaker
from geovec_train.batches.data import load_train
from geovec_train.batches.runs import train_tasks
from geovec_train.training.train import run
from tests.fixtures import jobs
from tests.fixtures.dataset import caption_dataset
from tests.geovec_train.training.runs import asked, config, same


def test_training_goes_on_from_a_saved_model_with_mined_negatives(warm: Path, dataset: Dataset, tmp_path: Path) -> None:
    home = Dataset(shutil.copytree(dataset.path, tmp_path / "dataset"))
    jobs.mined(home.path, "first", per_example=5)
    summary = run(config(home, tmp_path / "a", model=str(warm), negatives_per_query=2))
    assert summary["negatives"] == "first"
    assert summary["mined_negatives"] == 2 * summary["examples"]
    assert not same(warm, tmp_path / "a")
    none = run(config(home, tmp_path / "b", model=str(warm), negatives="none"))
    assert none["mined_negatives"] == 0
    assert not same(tmp_path / "a", tmp_path / "b")
    jobs.mined(home.path, "second")
    with pytest.raises(UserError, match="several mining runs: first, second"):
        run(config(home, tmp_path / "c"))
    with pytest.raises(UserError, match="Did you mean 'second'"):
        run(config(home, tmp_path / "c", negatives="secnd"))


def test_negatives_of_another_build_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    home = shutil.copytree(dataset.path, tmp_path / "dataset")
    other = caption_dataset(tmp_path / "other", images=30, size=72)
    shutil.copytree(jobs.mined(other.path, "r"), home / "mining" / "r")
    with pytest.raises(UserError, match="mined on another build"):
        run(config(Dataset(home), tmp_path / "a", negatives="r"))


def test_negatives_of_the_same_items_under_other_splits_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    home = Dataset(shutil.copytree(dataset.path, tmp_path / "dataset"))
    own = hashlib.sha256((home.path / "manifest.json").read_bytes()).hexdigest()
    jobs.mined(home.path, "own", settings={"dataset": own})
    jobs.mined(home.path, "other", settings={"dataset": "0" * 64})
    with pytest.raises(UserError, match=r"negatives=other: .*another build .*run=other overwrite=true"):
        run(config(home, tmp_path / "a", negatives="other"))
    assert run(config(home, tmp_path / "a", negatives="own", steps=1))["mined_negatives"]


def test_negatives_of_a_held_out_split_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    home = Dataset(shutil.copytree(dataset.path, tmp_path / "dataset"))
    jobs.mined(home.path, "held", split="val")
    with pytest.raises(UserError, match=r"mined on the val split \(pool.split=val\).* leak"):
        run(config(home, tmp_path / "a", negatives="held"))


def test_mined_negatives_are_ragged_and_hardest_first(dataset: Dataset, tmp_path: Path) -> None:
    home = Dataset(shutil.copytree(dataset.path, tmp_path / "dataset"))
    folder = jobs.mined(home.path, "r", per_example=5)
    train = load_train(home, train_tasks(home, ["text_to_image"]), choose_run(home, None), 3)
    rows = [train.negatives.row(e) for e in range(len(train))]
    assert {len(r) for r in rows} == {3}
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "negatives.parquet").to_pylist()
    for e, row in enumerate(rows[:5]):
        best = sorted((r for r in table if r["example"] == train.ids[e]), key=lambda r: r["rank"])[:3]
        assert [train.items[i] for i in row] == [r["item"] for r in best]


def test_negatives_warm_up(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.mined(dataset.path, "first", per_example=5)
    counts: dict[int, int] = {}
    real = BatchMaker._candidates

    def candidates(self: BatchMaker, step: int, examples: Any, positives: Any) -> Any:
        found = real(self, step, examples, positives)
        counts[step] = len(found) - len(set(positives.tolist()))
        return found

    monkeypatch.setattr(BatchMaker, "_candidates", candidates)
    run(asked(dataset, tmp_path / "run", "negatives=first", "negatives_after=3"))
    assert [counts[s] > 0 for s in range(6)] == [False] * 3 + [True] * 3
