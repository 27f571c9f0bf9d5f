"""How negatives are mined anew: the options, and what counts as churn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geovec_data.errors import UserError
from geovec_data.mining.config import MineConfig
from geovec_data.options import load
from geovec_train.batches.ragged import Ragged
from geovec_train.config import TrainConfig
from geovec_train.training.mine_options import MineOptions, interval
from geovec_train.training.refresh import churn
from tests.geovec_train.toy import random_trainset


def config(folder: Path, *arguments: str) -> TrainConfig:
    return load(TrainConfig, [f"dataset={folder}", f"out={folder}", *arguments], "geovec-train")


def test_every_option_of_mining_is_there_or_is_the_trainers_own() -> None:
    own = {"dataset", "encoder", "run", "reuse", "tasks", "box_codec", "coordinate_codec", "device", "overwrite"}
    elsewhere = {"pool", "helper", "engine", "ray_address"}  # the train split, whole, mined where training runs
    assert set(MineConfig.model_fields) - own - elsewhere == set(MineOptions.model_fields)
    for name, field in MineOptions.model_fields.items():
        if name != "k":  # as many as an example uses
            assert field.get_default(call_default_factory=True) == MineConfig.model_fields[name].get_default(
                call_default_factory=True
            )


def test_churn_compares_pairs_whatever_the_numbering() -> None:
    old = random_trainset(0)
    order = np.random.default_rng(1).permutation(len(old.items))
    number = np.argsort(order)
    new = replace(
        old,
        items=[old.items[i] for i in order],
        negatives=Ragged(old.negatives.offsets, number[old.negatives.values]),
    )
    assert churn(old, new) == 0
    values = new.negatives.values.copy()
    values[0] = next(n for n in range(len(new.items)) if n not in new.negatives.row(int(new.negatives.rows()[0])))
    assert churn(old, replace(new, negatives=Ragged(new.negatives.offsets, values))) == pytest.approx(
        1 / len(values), abs=1e-6
    )
    nothing = replace(old, negatives=Ragged(np.zeros(len(old) + 1, np.int64), np.zeros(0, np.int64)))
    assert churn(nothing, new) is None


@pytest.mark.parametrize(("value", "steps"), [("200", 200), ("1epoch", 50), ("2 epochs", 100), ("0.5epoch", 25)])
def test_mine_every_counts_steps_or_epochs(value: str, steps: int) -> None:
    assert interval(value, epoch=50) == steps


@pytest.mark.parametrize("value", ["0", "1.5", "epoch", "3weeks", "-1"])
def test_another_mine_every_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(UserError, match="mine_every"):
        config(tmp_path, f"mine_every={value}")


def test_presets_serve_here_too(tmp_path: Path) -> None:
    found = config(tmp_path, "mine_every=4", "mine.k=3", "mine.preset=nv_retriever", "mine.policy.percentage=0.9").mine
    assert (found.k, found.policy.percentage) == (3, 0.9)
    assert MineOptions.model_validate({"preset": "region"}).quota.region == 2
    with pytest.raises(UserError, match="Did you mean 'region'"):
        config(tmp_path, "mine_every=4", "mine.k=3", "mine.preset=regoin")


def test_mine_options_without_a_time_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mine_every=1epoch"):
        config(tmp_path, "mine.k=2")
