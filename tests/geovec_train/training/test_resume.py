"""A run that was interrupted goes on as if it had not been; a folder that holds another one is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_train.config import TrainConfig
from geovec_train.training import trainer as trainer_module
from geovec_train.training.curve import read_log
from geovec_train.training.resume import checkpoints
from geovec_train.training.train import run
from tests.geovec_train.training.runs import Killed, asked, config, same


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[TrainConfig, int], None]:
    """Begin a run that is killed at a step; what comes after it is not."""
    real = trainer_module.Trainer.compute_loss

    def begin(options: TrainConfig, step: int) -> None:
        def compute_loss(self: Any, *args: Any, **more: Any) -> Any:
            if self.state.global_step >= step:
                raise Killed
            return real(self, *args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(trainer_module.Trainer, "compute_loss", compute_loss)
            with pytest.raises(Killed):
                run(options)

    return begin


@pytest.mark.parametrize("step", [1, 3, 4])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    warm: Path, dataset: Dataset, tmp_path: Path, killed_at: Any, step: int
) -> None:
    out = tmp_path / "run"
    killed_at(config(dataset, out), step)
    assert not (out / "modules.json").exists()
    assert not (out / "summary.json").exists()
    run(config(dataset, out))
    assert same(warm, out)
    curves = [[(r["step"], r["loss"], r["lr"]) for r in read_log(p / "log.jsonl")] for p in (warm, out)]
    assert curves[0] == curves[1]


def test_mini_batches_by_tokens_go_on_exactly(dataset: Dataset, tmp_path: Path, killed_at: Any) -> None:
    options = {"mini_batch_tokens": 60, "side": 56}
    run(config(dataset, tmp_path / "whole", **options))
    killed_at(config(dataset, tmp_path / "run", **options), 3)
    run(config(dataset, tmp_path / "run", **options))
    assert same(tmp_path / "whole", tmp_path / "run")


def test_a_checkpoint_that_was_being_written_is_not_gone_on_from(
    warm: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def dying(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "save_file", dying)
        with pytest.raises(Killed):
            run(config(dataset, out))
    assert checkpoints(out / "checkpoints") == []
    assert list((out / "checkpoints" / ".writing").iterdir())
    run(config(dataset, out))
    assert same(warm, out)


def test_a_checkpoint_of_another_run_is_refused(dataset: Dataset, tmp_path: Path, killed_at: Any) -> None:
    run(config(dataset, tmp_path / "other", seed=1, side=56))
    killed_at(config(dataset, tmp_path / "run", side=56), 3)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    shutil.copytree(tmp_path / "other" / "checkpoints", tmp_path / "run" / "checkpoints")
    with pytest.raises(UserError, match="checkpoint-6 is a checkpoint of another run"):
        run(config(dataset, tmp_path / "run", side=56))


def test_a_run_killed_while_its_model_is_written_is_completed(
    warm: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def dying(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("geovec_train.models.load.publish", dying)
        with pytest.raises(Killed):
            run(config(dataset, out))
    assert not (out / "summary.json").exists()
    run(config(dataset, out))
    assert same(warm, out)
    assert json.loads((out / "summary.json").read_text())["loss"] is not None


def test_other_settings_in_the_same_folder_are_refused(warm: Path, dataset: Dataset) -> None:
    with pytest.raises(UserError, match=r"other settings.*steps: 6 there, 9 asked"):
        run(config(dataset, warm, steps=9))
    run(config(dataset, warm, save_every=5, log_every=3))  # these change nothing that is learnt


def test_a_folder_with_other_things_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"no run of geovec-train \(thesis.tex"):
        run(config(dataset, tmp_path))
    with pytest.raises(UserError, match="is a file"):
        run(config(dataset, tmp_path / "thesis.tex"))


def test_out_may_not_be_the_models_folder(warm: Path, dataset: Dataset) -> None:
    with pytest.raises(UserError, match="choose another"):
        run(config(dataset, warm, model=str(warm)))


def test_a_run_of_an_older_version_is_gone_on_with(dataset: Dataset, tmp_path: Path) -> None:
    run(asked(dataset, tmp_path / "run", "negatives=none"))
    file = tmp_path / "run" / "train.json"
    facts = json.loads(file.read_text())
    for later in ("ema", "mask", "matryoshka", "patience"):
        del facts[later]
    file.write_text(json.dumps(facts))
    assert "nothing to do" in run(asked(dataset, tmp_path / "run", "negatives=none"))["human"][0]
