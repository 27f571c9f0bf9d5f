"""Several processes train what one would: gradients of the loss, and whole runs under torchrun, on gloo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from safetensors.torch import load_file

from geovec_data.dataset import Dataset
from geovec_data.errors import GeoVecError, UserError
from geovec_train.training.curve import read_log
from geovec_train.training.processes import Processes
from geovec_train.training.train import run
from tests.fixtures.dataset import caption_dataset
from tests.fixtures.vlm import write_vlm
from tests.geovec_train import processes
from tests.geovec_train.processes import CASES, WORLD


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("group")
    torch.multiprocessing.spawn(processes.work, (folder,), nprocs=WORLD)
    return folder


@pytest.fixture(scope="module")
def alone() -> dict[str, torch.Tensor]:
    return processes.gradients(((7, 6),), 0, 0, "none")


@pytest.mark.parametrize("case", range(len(CASES)), ids=[" ".join(map(str, c)) for c in CASES])
def test_processes_have_the_gradients_of_one(found: Path, alone: dict[str, torch.Tensor], case: int) -> None:
    both = [torch.load(found / f"{case}-{rank}.pt") for rank in range(WORLD)]
    assert alone.keys() >= {"loss", "log_scale"}
    for grads in both:
        assert grads.keys() == alone.keys()
        for name, grad in alone.items():
            assert torch.allclose(grads[name], grad, atol=3e-6, rtol=1e-4), name


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return caption_dataset(tmp_path_factory.mktemp("captions"), images=24)


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run geovec-train in two processes."""
    command = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={WORLD}", "-m", "geovec_train.cli"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *command, "train", *arguments], env=env, capture_output=True, text=True, check=False
    )


def arguments(dataset: Dataset, out: Path, *more: str) -> list[str]:
    return [
        f"dataset={dataset.path}", f"out={out}", "model=tiny", "steps=5", "batch=8", "save_every=2", "log_every=1",
        "side=56", "device=cpu", "mine_every=3", "mine.k=2", "dev_every=2", *more,
    ]  # fmt: skip


def test_two_processes_train_as_one(dataset: Dataset, tmp_path: Path) -> None:
    from geovec_data.options import load
    from geovec_train.config import TrainConfig

    both, one = tmp_path / "both", tmp_path / "one"
    done = torchrun(*arguments(dataset, both))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("mining negatives with the weights of this step") == 1
    run(load(TrainConfig, arguments(dataset, one), "geovec-train"))
    rows = [read_log(p / "log.jsonl") for p in (both, one)]
    assert [r.keys() for r in rows[0]] == [r.keys() for r in rows[1]]
    losses = [[r["loss"] for r in found if "loss" in r] for found in rows]
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)
    assert losses[0][0] == pytest.approx(losses[1][0], abs=1e-5)
    assert (both / "modules.json").is_file()
    assert {p.name for p in (both / "checkpoints" / "checkpoint-5").glob("rng_state*")} == {
        "rng_state_0.pth", "rng_state_1.pth"
    }  # fmt: skip
    again = torchrun(*arguments(dataset, both))
    assert again.returncode == 0
    assert "nothing to do" in again.stdout


def test_two_processes_train_adapters_as_one(dataset: Dataset, tmp_path: Path) -> None:
    from geovec_data.options import load
    from geovec_train.config import TrainConfig

    model = write_vlm(tmp_path / "vlm", "qwen2_vl")
    few = [
        "steps=2",
        "batch=6",
        "mini_batch=3",
        "max_visual_tokens=4",
        "lr=0.01",
        "tasks=[text_to_image]",
        "device=cpu",
    ]
    given = [f"dataset={dataset.path}", f"model={model}", *few]
    done = torchrun(*given, f"out={tmp_path / 'both'}")
    assert done.returncode == 0, done.stderr
    run(load(TrainConfig, [*given, f"out={tmp_path / 'one'}"], "geovec-train"))
    both, one = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("both", "one"))
    assert both.keys() == one.keys()
    assert all(torch.allclose(both[name], one[name], atol=1e-5) for name in one)
    assert any(bool(weight.any()) for name, weight in one.items() if "lora_B" in name)


@pytest.mark.slow
def test_a_divided_model_trains_as_a_whole_one_and_goes_on_where_it_was_killed(
    dataset: Dataset, tmp_path: Path
) -> None:
    from geovec_data.options import load
    from geovec_train.config import TrainConfig

    divided, cut, one = (tmp_path / name for name in ("divided", "cut", "one"))
    for out in (divided, cut):
        done = torchrun(*arguments(dataset, out, "shard=true", "mini_batch=3"))
        assert done.returncode == 0, done.stderr
    run(load(TrainConfig, arguments(dataset, one, "mini_batch=3"), "geovec-train"))
    losses = [[r["loss"] for r in read_log(p / "log.jsonl") if "loss" in r] for p in (divided, one)]
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)
    assert losses[0][0] == pytest.approx(losses[1][0], abs=1e-5)
    killed(cut)
    done = torchrun(*arguments(dataset, cut, "shard=true", "mini_batch=3"))
    assert done.returncode == 0, done.stderr
    assert "going on from step 4" in done.stderr
    first, second = (load_file(p / "model.safetensors") for p in (divided, cut))
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_a_divided_model_with_adapters_leaves_them_whole(dataset: Dataset, tmp_path: Path) -> None:
    from geovec_data.options import load
    from geovec_train.config import TrainConfig

    few = ["steps=2", "batch=6", "max_visual_tokens=4", "lr=0.01", "tasks=[text_to_image]", "device=cpu"]
    given = [f"dataset={dataset.path}", f"model={write_vlm(tmp_path / 'vlm', 'qwen2_vl')}", *few]
    done = torchrun(*given, f"out={tmp_path / 'divided'}", "shard=true")
    assert done.returncode == 0, done.stderr
    run(load(TrainConfig, [*given, f"out={tmp_path / 'one'}"], "geovec-train"))
    divided, one = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("divided", "one"))
    assert divided.keys() == one.keys()
    assert all(torch.allclose(divided[name], one[name], atol=1e-5) for name in one)


def test_one_process_divides_nothing(dataset: Dataset, tmp_path: Path) -> None:
    from geovec_data.options import load
    from geovec_train.config import TrainConfig

    with pytest.raises(UserError, match="start it with torchrun"):
        run(load(TrainConfig, arguments(dataset, tmp_path / "run", "shard=true"), "geovec-train"))


def killed(out: Path) -> None:
    """Leave a run as if it had been killed after the checkpoint of step 4."""
    for name in ("summary.json", "model.safetensors", "modules.json"):
        (out / name).unlink()
    shutil.rmtree(out / "checkpoints" / "checkpoint-5")


def test_two_processes_go_on_where_they_were_killed(dataset: Dataset, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert torchrun(*arguments(dataset, whole)).returncode == 0
    assert torchrun(*arguments(dataset, cut)).returncode == 0
    killed(cut)
    done = torchrun(*arguments(dataset, cut))
    assert done.returncode == 0, done.stderr
    assert "going on from step 4" in done.stderr
    one, two = (load_file(p / "model.safetensors") for p in (whole, cut))
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_a_batch_smaller_than_the_processes_is_refused(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from geovec_data.options import load
    from geovec_train.config import TrainConfig

    monkeypatch.setattr(Processes, "join", staticmethod(lambda device: Processes(0, 8)))
    with pytest.raises(UserError, match="batch=8 is that of all 8 processes together: give 16 or more"):
        run(load(TrainConfig, arguments(dataset, tmp_path / "run"), "geovec-train"))
    assert issubclass(UserError, GeoVecError)
