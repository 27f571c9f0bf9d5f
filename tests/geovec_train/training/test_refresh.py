"""Negatives mined anew while training: swapped in, logged, resumable at any moment, bounded on disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from geovec_data.dataset import Dataset
from geovec_data.errors import GeoVecError
from geovec_data.options import load
from geovec_train.batches.batch import BatchMaker
from geovec_train.config import TrainConfig
from geovec_train.training import refresh as refresh_module
from geovec_train.training.curve import read_log
from geovec_train.training.refresh import Refresher
from geovec_train.training.train import run
from tests.fixtures import jobs
from tests.geovec_train.training.runs import Killed, same

STEPS, EVERY = 6, 2


def arguments(dataset: Dataset, out: Path) -> list[str]:
    return [
        f"dataset={dataset.path}", f"out={out}", "model=tiny", f"steps={STEPS}", "batch=8", "save_every=3",
        "log_every=1", "side=56", "device=cpu", f"mine_every={EVERY}", "mine.k=3", "mine.policy.near_caption=off",
        "keep=2", "tasks=[text_to_image]",
    ]  # fmt: skip


def config(dataset: Dataset, out: Path, *more: str) -> TrainConfig:
    given = [a for a in arguments(dataset, out) if a.partition("=")[0] not in {m.partition("=")[0] for m in more}]
    return load(TrainConfig, [*given, *more], "geovec-train")


def told(out: Path) -> list[dict[str, Any]]:
    """The log without what differs between equal runs: rates and seconds."""
    rows = []
    for row in read_log(out / "log.jsonl"):
        if "refresh" in row:
            row["refresh"].pop("seconds")
        rows.append({k: v for k, v in row.items() if k not in ("pairs_per_s", "waiting_for_data")})
    return rows


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    run(config(dataset, out))
    return out


def test_a_refresh_is_logged_with_churn_drops_and_dev_scores(whole: Path, dataset: Dataset) -> None:
    rows = told(whole)
    refreshes = {r["step"]: r["refresh"] for r in rows if "refresh" in r}
    assert list(refreshes) == [2, 4]
    assert refreshes[2]["churn"] is None  # there were none before
    assert 0 < refreshes[4]["churn"] <= 1
    assert refreshes[2]["negatives"] > 0
    assert refreshes[2]["drops"]["same_class"] > 0
    assert "near_caption" not in refreshes[2]["drops"]  # switched off by mine.policy
    dev = {r["step"]: r["dev"] for r in rows if "dev" in r}
    assert list(dev) == [2, 4]
    for scores in dev.values():
        assert scores.keys() >= {"P@1", "R@10", "P@1/text_to_image", "R@10/text_to_image"}
        assert all(0 <= v <= 1 for v in scores.values())
    summary = json.loads((whole / "summary.json").read_text())
    assert [r["step"] for r in summary["refreshes"]] == [2, 4]
    assert "mined anew 2 times" in (whole / "README.md").read_text()
    found = {p.name: pq.read_table(p / "negatives.parquet") for p in (whole / "refresh").iterdir()}
    pairs = {n: set(zip(*(t[c].to_pylist() for c in ("example", "item")), strict=True)) for n, t in found.items()}
    assert 1 - len(pairs["000002"] & pairs["000004"]) / len(pairs["000004"]) == pytest.approx(refreshes[4]["churn"])


def test_tensorboard_has_churn_drops_and_dev_scores(whole: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(whole / "tensorboard"))
    board.Reload()
    assert {"refresh/churn", "refresh/drops/same_class", "dev/P@1", "dev/R@10"} <= set(board.Tags()["scalars"])
    assert [e.step for e in board.Scalars("dev/R@10")] == [2, 4]


def test_the_dataset_is_left_alone_and_nothing_of_a_refresh_stays_but_its_negatives(
    whole: Path, dataset: Dataset
) -> None:
    assert not (dataset.path / "embeddings").exists()
    assert not (dataset.path / "mining").exists()
    assert not (whole / ".dev").exists()
    held = sorted(p.name for p in (whole / "refresh").iterdir())
    assert held == ["000002", "000004"]
    assert {p.name for p in (whole / "refresh" / "000004").iterdir()} == {
        "negatives.parquet", "summary.json", "facts.json"
    }  # fmt: skip


def test_old_negatives_go_with_the_checkpoints_that_need_them(dataset: Dataset, tmp_path: Path) -> None:
    run(config(dataset, tmp_path / "run", "mine_every=1", "steps=5", "keep=1"))
    assert sorted(p.name for p in (tmp_path / "run" / "refresh").iterdir()) == ["000003", "000004"]


def test_batches_have_the_new_negatives_from_the_refresh_on(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, int] = {}
    real = BatchMaker._candidates

    def candidates(self: BatchMaker, step: int, *rest: Any) -> Any:
        seen[step] = len(self.train.negatives.values)
        return real(self, step, *rest)

    monkeypatch.setattr(BatchMaker, "_candidates", candidates)
    run(config(dataset, tmp_path / "run"))
    assert [seen[s] > 0 for s in range(STEPS)] == [s >= EVERY for s in range(STEPS)]


@pytest.mark.parametrize(("where", "step"), [("mine", 2), ("churn", 4)])
def test_a_run_killed_in_a_refresh_ends_as_an_uninterrupted_one(
    whole: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, step: int
) -> None:
    out = tmp_path / "run"
    real, due = getattr(refresh_module, where), Refresher._mine

    def mine(self: Refresher, at: int, folder: Path) -> None:
        def dying(*a: Any, **o: Any) -> Any:
            real(*a, **o)  # killed after it was done and before anybody knew
            raise Killed

        with monkeypatch.context() as patch:
            if at == step:
                patch.setattr(refresh_module, where, dying)
            due(self, at, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Refresher, "_mine", mine)
        with pytest.raises(Killed):
            run(config(dataset, out))
    assert not (out / "refresh" / f"{step:06d}").exists()
    run(config(dataset, out))
    assert same(whole, out)
    assert told(whole) == told(out)


def test_a_run_killed_after_a_refresh_finds_its_negatives(
    whole: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    real = Refresher._load
    mined: list[int] = []
    mine = Refresher._mine

    def load_and_die(self: Refresher, step: int) -> None:
        if step == 4:
            raise Killed
        real(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Refresher, "_load", load_and_die)
        with pytest.raises(Killed):
            run(config(dataset, out))
    assert (out / "refresh" / "000004").is_dir()
    monkeypatch.setattr(Refresher, "_mine", lambda self, step, folder: (mined.append(step), mine(self, step, folder)))
    run(config(dataset, out))
    assert mined == []
    assert same(whole, out)
    assert told(whole) == told(out)


@pytest.mark.parametrize("moment", ["refresh/.working/embeddings", "refresh/000002", "checkpoints/checkpoint-3"])
def test_kill_9_and_the_same_command_again(whole: Path, dataset: Dataset, tmp_path: Path, moment: str) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "geovec_train.cli", "train", *arguments(dataset, out)]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    while process.poll() is None and not (out / moment).exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run was over before it could be killed"
    run(config(dataset, out))
    assert same(whole, out)
    assert [r for r in told(whole) if "refresh" in r] == [r for r in told(out) if "refresh" in r]


def test_a_lost_refresh_that_a_checkpoint_builds_on_is_told(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(config(dataset, out))
    shutil.rmtree(out / "refresh")
    (out / "summary.json").unlink()
    shutil.rmtree(out / "checkpoints" / "checkpoint-6")
    last = (out / "checkpoints" / "checkpoint-4").rename(out / "checkpoints" / "checkpoint-5")
    state = last / "trainer_state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"global_step": 5}))
    with pytest.raises(GeoVecError, match=r"checkpoint of step 5 was trained on the negatives"):
        run(config(dataset, out))


def test_negatives_of_a_run_are_exchanged_and_churn_counts_from_the_first(dataset: Dataset, tmp_path: Path) -> None:
    home = Dataset(shutil.copytree(dataset.path, tmp_path / "dataset"))
    jobs.mined(home.path, "first", per_example=3)
    summary = run(config(home, tmp_path / "run", "negatives=first"))
    assert 0 < summary["refreshes"][0]["churn"] <= 1
    assert [p.name for p in (home.path / "mining").iterdir()] == ["first"]
