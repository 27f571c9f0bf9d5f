"""What is saved in the end: averaged weights, the best by the val split; and options that change how a run goes."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from geovec_data.dataset import Dataset
from geovec_data.errors import ResourceFault, UserError
from geovec_data.options import load
from geovec_train.batches.batch import BatchMaker
from geovec_train.batches.streams import tempered
from geovec_train.config import TrainConfig
from geovec_train.training import trainer as trainer_module
from geovec_train.training.average import Average
from geovec_train.training.curve import read_log
from geovec_train.training.dev import DevSet
from geovec_train.training.stopping import Stopping, best_of
from geovec_train.training.train import run
from tests.fixtures import jobs
from tests.fixtures.dataset import caption_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return caption_dataset(tmp_path_factory.mktemp("captions"), images=24)


def config(dataset: Dataset, out: Path, *more: str) -> TrainConfig:
    few = ["steps=6", "batch=8", "save_every=2", "log_every=2", "side=56", "device=cpu", "tasks=[text_to_image]"]
    given = [a for a in few if a.partition("=")[0] not in {m.partition("=")[0] for m in more}]
    return load(TrainConfig, [f"dataset={dataset.path}", f"out={out}", *given, *more], "geovec-train")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    one, two = weights(a), weights(b)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_the_average_follows_its_formula_and_gives_the_weights_back() -> None:
    model = torch.nn.Linear(3, 2)
    average = Average(model, 0.6)
    mean = model.weight.detach().clone()
    state = types.SimpleNamespace(global_step=0)
    for step in range(1, 9):
        with torch.no_grad():
            model.weight += 1.0
        state.global_step = step
        average.on_step_end(None, state, None)
        decay = min(0.6, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * model.weight.detach()
    own = model.weight.detach().clone()
    with average.applied():
        assert torch.allclose(model.weight, mean, atol=1e-6)
    assert torch.equal(model.weight, own)


class Killed(BaseException):
    """What kill -9 would do, as far as Python lets a test do it."""


def test_averaged_weights_are_saved_and_survive_an_interruption(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config(dataset, tmp_path / "whole", "ema=0.5"))
    run(config(dataset, tmp_path / "plain"))
    last = tmp_path / "whole" / "checkpoints" / "checkpoint-6"
    assert same(last, tmp_path / "plain")  # what is trained is what would be trained without
    assert not same(tmp_path / "whole", tmp_path / "plain")
    real = trainer_module.Trainer.compute_loss

    def dying(self: Any, *args: Any, **options: Any) -> Any:
        if self.state.global_step >= 5:
            raise Killed
        return real(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module.Trainer, "compute_loss", dying)
        with pytest.raises(Killed):
            run(config(dataset, tmp_path / "cut", "ema=0.5"))
    run(config(dataset, tmp_path / "cut", "ema=0.5"))
    assert same(tmp_path / "whole", tmp_path / "cut")


def scripted(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """Let the val split have given scores, one after the other."""
    left = list(scores)

    def scores_of(self: DevSet, snapshot: Any) -> dict[str, float]:
        value = left.pop(0)
        return {"P@1": value / 2, "R@10": value}

    monkeypatch.setattr(DevSet, "scores", scores_of)


def test_training_ends_when_nothing_better_comes_and_the_best_is_saved(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.2, 0.5, 0.4, 0.5, 0.9])
    summary = run(config(dataset, tmp_path / "run", "steps=9", "dev_every=1", "patience=2", "keep=9", "save_every=1"))
    assert (summary["steps"], summary["saved_step"]) == (4, 2)
    assert same(tmp_path / "run", tmp_path / "run" / "checkpoints" / "checkpoint-2")
    assert not (tmp_path / "run" / "best").exists()
    assert [d["R@10"] for d in summary["dev"]] == [0.2, 0.5, 0.4, 0.5]


def test_a_run_that_ended_early_and_was_killed_before_it_was_saved_trains_no_further(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.5, 0.4, 0.3])
    options = ("steps=9", "dev_every=1", "patience=1")

    def dying(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("geovec_train.models.load.publish", dying)
        with pytest.raises(Killed):
            run(config(dataset, tmp_path / "run", *options))
    summary = run(config(dataset, tmp_path / "run", *options))
    assert (summary["steps"], summary["saved_step"]) == (2, 1)


def test_stopping_counts_scorings_without_a_better_one(tmp_path: Path) -> None:
    kept: list[Path] = []
    stopping = Stopping(tmp_path, 2, lambda folder: (folder.mkdir(), kept.append(folder))[0])
    scorings: list[dict[str, Any]] = []
    said = []
    for value in (0.1, 0.3, 0.2, 0.3, 0.8):
        scorings.append({"step": len(scorings), "R@10": value})
        said.append(stopping.judge(scorings))
    assert said == [False, False, False, True, False]
    assert len(kept) == 3
    assert best_of(scorings[:4]) == 1
    assert not Stopping(tmp_path, 0, lambda folder: None).judge([{"step": 1, "R@10": 0.1}])


@pytest.mark.parametrize(
    ("option", "said"),
    [("patience=2", "dev_every"), ("ema=1.5", "ema"), ("mini_batch=2 mini_batch_tokens=90", "give one of them")],
)
def test_options_that_do_not_go_together_are_told(dataset: Dataset, tmp_path: Path, option: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        config(dataset, tmp_path, *option.split())


def test_early_stopping_without_a_val_split_is_told(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geovec_train.training.dev.SPLIT", "absent")
    with pytest.raises(UserError, match="no val split"):
        run(config(dataset, tmp_path / "run", "dev_every=2", "patience=1"))


def test_negatives_warm_up(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.mined(dataset.path, "first", per_example=5)
    counts: dict[int, int] = {}
    real = BatchMaker._candidates

    def candidates(self: BatchMaker, step: int, examples: Any, positives: Any) -> Any:
        found = real(self, step, examples, positives)
        counts[step] = len(found) - len(set(positives.tolist()))
        return found

    monkeypatch.setattr(BatchMaker, "_candidates", candidates)
    run(config(dataset, tmp_path / "run", "negatives=first", "negatives_after=3"))
    assert [counts[s] > 0 for s in range(6)] == [False] * 3 + [True] * 3


def test_mini_batches_by_tokens_train_the_same_model(dataset: Dataset, tmp_path: Path) -> None:
    plain = run(config(dataset, tmp_path / "plain", "negatives=none"))
    tokens = run(config(dataset, tmp_path / "tokens", "negatives=none", "mini_batch_tokens=60"))
    assert tokens["loss"] == pytest.approx(plain["loss"], abs=1e-3)


def test_too_little_memory_names_the_option_and_the_run_goes_on_with_it(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trainer_module.Trainer.compute_loss

    def hungry(self: Any, *args: Any, **options: Any) -> Any:
        if self.state.global_step == 3 and not self.loss.uses_gradient_cache:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, *args, **options)

    monkeypatch.setattr(trainer_module.Trainer, "compute_loss", hungry)
    with pytest.raises(ResourceFault, match=r"too little memory .*mini_batch=2 goes on from the last checkpoint"):
        run(config(dataset, tmp_path / "run", "negatives=none"))
    summary = run(config(dataset, tmp_path / "run", "negatives=none", "mini_batch=2"))
    assert summary["steps"] == 6


def test_batches_without_a_negative_are_told(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = BatchMaker.make

    def masked(self: BatchMaker, step: int) -> dict[str, Any]:
        batch = real(self, step)
        plan = batch["plan"]
        plan["forward"] = torch.nn.functional.one_hot(plan["positive"], plan["forward"].shape[1]).bool()
        return batch

    monkeypatch.setattr(BatchMaker, "make", masked)
    monkeypatch.setattr(trainer_module, "BARREN", 3)
    with pytest.raises(UserError, match=r"first 3 batches have no negative at all.*Raise batch, or mask less"):
        run(config(dataset, tmp_path / "run", "negatives=none"))


def test_a_fixed_temperature_stays(dataset: Dataset, tmp_path: Path) -> None:
    found = {}
    for learn in ("true", "false"):
        out = tmp_path / learn
        run(config(dataset, out, "negatives=none", "temperature=0.05", f"learn_temperature={learn}"))
        found[learn] = {r["temperature"] for r in read_log(out / "log.jsonl")}
    assert found["false"] == {0.05}
    assert len(found["true"]) > 1


def test_numbers_go_to_weights_and_biases_where_it_is_installed(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int, dict[str, float]]] = []
    module = types.ModuleType("wandb")
    module.__spec__ = types.SimpleNamespace(name="wandb")  # type: ignore[assignment]
    begun = types.SimpleNamespace(
        log=lambda numbers, step: shown.append((step, numbers)), finish=lambda: shown.append((-1, {}))
    )
    module.init = lambda **options: begun  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run(config(dataset, tmp_path / "run", "negatives=none"))
    assert [step for step, _ in shown] == [1, 2, 4, 6, -1]
    assert {"train/loss", "train/lr", "train/waiting_for_data"} <= shown[0][1].keys()


def test_a_corpus_temperature_draws_small_corpora_more_often() -> None:
    sizes = {"large": 900, "small": 100}
    weights = {"large": 1.0, "small": 1.0}
    assert tempered(weights, sizes, 1.0) == weights
    found = tempered(weights, sizes, 2.0)
    share = found["small"] * 100 / (found["small"] * 100 + found["large"] * 900)
    assert share == pytest.approx(100**0.5 / (100**0.5 + 900**0.5))
    assert tempered({"large": 0.0, "small": 1.0}, sizes, 2.0)["large"] == 0


def test_a_run_of_an_older_version_is_gone_on_with(dataset: Dataset, tmp_path: Path) -> None:
    run(config(dataset, tmp_path / "run", "negatives=none"))
    file = tmp_path / "run" / "train.json"
    facts = json.loads(file.read_text())
    for later in ("ema", "mask", "matryoshka", "patience"):
        del facts[later]
    file.write_text(json.dumps(facts))
    assert "nothing to do" in run(config(dataset, tmp_path / "run", "negatives=none"))["human"][0]
