"""What is saved in the end: averaged weights, the best by the val split; and options that change how a run goes."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from geovec_data.dataset import Dataset
from geovec_train.batches.streams import tempered
from geovec_train.training import trainer as trainer_module
from geovec_train.training.average import Average
from geovec_train.training.curve import read_log
from geovec_train.training.dev import DevSet
from geovec_train.training.stopping import Stopping, best_of
from geovec_train.training.train import run
from tests.fixtures.vlm import write_vlm
from tests.geovec_train.training.runs import Killed, asked, same


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


def test_averaged_weights_are_saved_and_survive_an_interruption(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(asked(dataset, tmp_path / "whole", "ema=0.5"))
    run(asked(dataset, tmp_path / "plain"))
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
            run(asked(dataset, tmp_path / "cut", "ema=0.5"))
    run(asked(dataset, tmp_path / "cut", "ema=0.5"))
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
    summary = run(asked(dataset, tmp_path / "run", "steps=9", "dev_every=1", "patience=2", "keep=9", "save_every=1"))
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
            run(asked(dataset, tmp_path / "run", *options))
    summary = run(asked(dataset, tmp_path / "run", *options))
    assert (summary["steps"], summary["saved_step"]) == (2, 1)


def test_the_best_of_adapters_are_left_as_adapters_too(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.5, 0.4, 0.3])
    write_vlm(tmp_path / "base", "qwen2_vl")
    fixed = (f"model={tmp_path / 'base'}", "lora.rank=2", "lr=0.01", "steps=9", "side=28")
    run(asked(dataset, tmp_path / "run", *fixed, "save_every=1", "keep=9", "dev_every=1", "patience=2"))
    trained, last = (
        load_file(tmp_path / "run" / "checkpoints" / f"checkpoint-{n}" / "adapter.safetensors") for n in (1, 3)
    )
    left = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")

    def ordered(adapters: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        return [w for _, w in sorted(adapters.items(), key=lambda kept: kept[0].split("model.", 1)[1])]

    assert len(left) == len(trained)
    assert all(torch.equal(a, b) for a, b in zip(ordered(left), ordered(trained), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(ordered(left), ordered(last), strict=True))
    assert not (tmp_path / "run" / "best").exists()


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


def test_a_fixed_temperature_stays(dataset: Dataset, tmp_path: Path) -> None:
    found = {}
    for learn in ("true", "false"):
        out = tmp_path / learn
        run(asked(dataset, out, "negatives=none", "temperature=0.05", f"learn_temperature={learn}"))
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
    given: dict[str, Any] = {}

    def init(**options: Any) -> types.SimpleNamespace:
        given.update(options)
        return begun

    module.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run(asked(dataset, tmp_path / "run", "negatives=none"))
    assert [step for step, _ in shown] == [1, 2, 4, 6, -1]
    assert {"train/loss", "train/lr", "train/waiting_for_data"} <= shown[0][1].keys()
    assert given["config"]["steps"] == 6


def test_a_corpus_temperature_draws_small_corpora_more_often() -> None:
    sizes = {"large": 900, "small": 100}
    weights = {"large": 1.0, "small": 1.0}
    assert tempered(weights, sizes, 1.0) == weights
    found = tempered(weights, sizes, 2.0)
    share = found["small"] * 100 / (found["small"] * 100 + found["large"] * 900)
    assert share == pytest.approx(100**0.5 / (100**0.5 + 900**0.5))
    assert tempered({"large": 0.0, "small": 1.0}, sizes, 2.0)["large"] == 0
