"""The user's mistakes, and what a machine or a dataset lacks: one message each, with the way out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import util

from geovec_data.dataset import Dataset
from geovec_data.errors import GeoVecError, ResourceFault, UserError
from geovec_train.batches.batch import BatchMaker
from geovec_train.config import TrainConfig
from geovec_train.training import trainer as trainer_module
from geovec_train.training.train import run
from tests.geovec_train.training.runs import asked, config


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tasks": ("text_to_imag",)}, "Did you mean 'text_to_image'"),
        ({"model": "runs/absent"}, "no such folder"),
        ({"negatives": "first"}, "no finished mining run"),
        ({"side": 100}, "multiple of 28"),
        ({"box_codec": "qwen"}, "box codec"),
        ({"weights": {"scene": 1.0}}, "weights"),
    ],
)
def test_mistakes_are_told_in_one_message(dataset: Dataset, tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run(config(dataset, tmp_path / "out", **options))
    run(config(dataset, tmp_path / "out", steps=1, log_every=50))  # and the mended command may use the folder


@pytest.mark.parametrize("saved", [False, True])
def test_a_side_whose_visual_tokens_do_not_fit_is_told_the_largest_that_do(
    dataset: Dataset, warm: Path, tmp_path: Path, saved: bool
) -> None:
    few: dict[str, Any] = {"model": str(warm) if saved else "tiny", "steps": 1, "batch": 2}
    with pytest.raises(UserError, match=r"up to 625 visual tokens .* largest side that fits is 616$"):
        run(config(dataset, tmp_path / "out", side=700, **few))
    assert run(config(dataset, tmp_path / "out", side=616, **few))["steps"] == 1


def test_a_device_that_is_not_there_is_refused(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no CUDA device"):
        run(config(dataset, tmp_path / "out", device="cuda"))
    assert not (tmp_path / "out").exists()


def test_no_dataset_and_no_train_split_are_told(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a GeoVec dataset"):
        run(TrainConfig(dataset=tmp_path, out=tmp_path / "out"))
    home = Dataset(shutil.copytree(dataset.path, tmp_path / "dataset"))
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in home.files("splits"):
        table = pq.read_table(file)
        pq.write_table(table.set_column(1, "split", pa.array(["test"] * len(table))), file)
    with pytest.raises(UserError, match="no example in its train split"):
        run(config(home, tmp_path / "out"))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("patience=2", "dev_every"),
        ("ema=1.5", "ema"),
        ("mini_batch=2 mini_batch_tokens=90", "give one of them"),
        ("per_image=5 places=spread", "give one of them"),
        (
            "batch=1",
            "negatives from the others of its batch",
        ),
    ],
)
def test_options_that_do_not_go_together_are_told(dataset: Dataset, tmp_path: Path, option: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        asked(dataset, tmp_path, *option.split())


def test_early_stopping_without_a_val_split_is_told(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geovec_train.training.dev.SPLIT", "absent")
    with pytest.raises(UserError, match="no val split"):
        run(asked(dataset, tmp_path / "run", "dev_every=2", "patience=1"))


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(GeoVecError, match=r"bad_batch\.json") as caught:
        run(config(dataset, out, lr=1e30, clip=0.0, warmup=0))
    assert not isinstance(caught.value, UserError)
    bad = json.loads((out / "bad_batch.json").read_text())
    ids = set(dataset.read("examples", ["id"]).column("id").to_pylist())
    assert bad["examples"]
    assert set(bad["examples"]) <= ids
    assert not (out / "summary.json").exists()


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
        run(asked(dataset, tmp_path / "run", "negatives=none"))
    summary = run(asked(dataset, tmp_path / "run", "negatives=none", "mini_batch=2"))
    assert summary["steps"] == 6


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("mini_batch=0", "The same command with mini_batch=2 goes on"),
        ("mini_batch=6", "The same command with mini_batch=3 goes on"),
        ("mini_batch=1", "embedded one by one already: a new run can have a smaller batch or side"),
        ("mini_batch_tokens=90", "The same command with mini_batch_tokens=45 goes on"),
    ],
)
@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: …")])
def test_too_little_memory_names_what_is_smaller_yet(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, said: str, error: Exception
) -> None:
    def hungry(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(trainer_module.Trainer, "compute_loss", hungry)
    with pytest.raises(ResourceFault, match=said):
        run(asked(dataset, tmp_path / "run", option))


@pytest.mark.parametrize(
    ("options", "said", "mended"),
    [
        (["mini_batch=4"], "val split, 4 items at a time.*with mini_batch=2 goes on", ["mini_batch=2"]),
        (
            ["mini_batch_tokens=90"],
            "val split, 32 items at a time.*with mini_batch=16 in place of mini_batch_tokens=90 goes on",
            ["mini_batch=2"],
        ),
        (
            ["mini_batch=2", "mine_every=2", "mine.batch=4"],
            "mined anew, 4 items at a time.*with mine.batch=2 goes on",
            ["mini_batch=2", "mine_every=2", "mine.batch=2"],
        ),
    ],
)
def test_too_little_memory_to_score_or_mine_names_its_own_option(
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    said: str,
    mended: list[str],
) -> None:
    most = [2]
    real = util.batch_to_device

    def hungry(features: dict[str, Any], *more: Any) -> dict[str, Any]:  # of the encoder's batches, not of the steps'
        if len(features["input_ids"]) > most[0]:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: …")
        return real(features, *more)

    monkeypatch.setattr(util, "batch_to_device", hungry)
    with pytest.raises(ResourceFault, match=said):
        run(asked(dataset, tmp_path / "run", "negatives=none", "dev_every=2", *options))
    assert run(asked(dataset, tmp_path / "run", "negatives=none", "dev_every=2", *mended))["steps"] == 6
    most[0] = 0
    with pytest.raises(ResourceFault, match=r"val split, one item at a time\. A new run can have a smaller side"):
        run(asked(dataset, tmp_path / "one", "negatives=none", "dev_every=2", "mini_batch=1"))


def test_bf16_that_no_gpu_has_is_refused_and_the_cpu_s_is_not(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.utils.is_torch_bf16_gpu_available", lambda: False)
    with pytest.raises(UserError, match=r"precision=bf16: .*device=cpu"):
        run(config(dataset, tmp_path / "out", device="auto", precision="bf16"))
    assert not (tmp_path / "out").exists()
    run(asked(dataset, tmp_path / "out", "precision=bf16", "steps=1"))


@pytest.mark.parametrize("file", ["train.json", "summary.json"])
@pytest.mark.parametrize("content", ["", '{"steps": 6', "[1]"])
def test_a_damaged_file_of_a_run_is_told(dataset: Dataset, warm: Path, tmp_path: Path, file: str, content: str) -> None:
    out = Path(shutil.copytree(warm, tmp_path / "run"))
    (out / file).write_text(content)
    with pytest.raises(UserError, match=rf"{file} is damaged \(.*Choose another out, or delete") as caught:
        run(config(dataset, out))
    assert "\n" not in str(caught.value)


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
        run(asked(dataset, tmp_path / "run", "negatives=none"))
    monkeypatch.setattr(trainer_module, "BARREN", 10)  # a run of fewer steps is no success either
    with pytest.raises(UserError, match=r"first 6 batches have no negative at all"):
        run(asked(dataset, tmp_path / "short", "negatives=none"))
