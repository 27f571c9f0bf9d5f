"""Short runs of training for the tests: their options, and what they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from geovec_data.dataset import Dataset
from geovec_data.options import load
from geovec_train.config import TrainConfig


class Killed(BaseException):
    """What kill -9 would do, as far as Python lets a test do it: nothing after it runs."""


def config(dataset: Dataset, out: Path, **options: Any) -> TrainConfig:
    """Six steps of eight examples on the CPU."""
    few: dict[str, Any] = {"model": "tiny", "steps": 6, "batch": 8, "save_every": 2, "log_every": 2, "device": "cpu"}
    return TrainConfig(dataset=dataset.path, out=out, **(few | options))


def asked(dataset: Dataset, out: Path, *more: str) -> TrainConfig:
    """The same of one task and small pictures, as it is asked for on the command line."""
    few = ["model=tiny", "steps=6", "batch=8", "save_every=2", "log_every=2", "side=56", "device=cpu"]
    few.append("tasks=[text_to_image]")
    given = [a for a in few if a.partition("=")[0] not in {m.partition("=")[0] for m in more}]
    return load(TrainConfig, [f"dataset={dataset.path}", f"out={out}", *given, *more], "geovec-train")


def weights(out: Path) -> dict[str, torch.Tensor]:
    """The weights that a run saved."""
    return load_file(out / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    """Whether two runs saved the very same weights."""
    one, two = weights(a), weights(b)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)
