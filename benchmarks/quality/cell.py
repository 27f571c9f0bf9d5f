"""Train and score one cell; what it found is one JSON file, and a cell whose file is there is not done again.

    python -m benchmarks.quality.cell work=/tmp/quality data=regions model=tiny arm=best seed=0 [budget=items]

A run that is killed goes on with the stage in which it was: both keep their weights in `work`.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch.nn.modules.module import register_module_forward_pre_hook

from benchmarks.quality import library
from benchmarks.quality.plan import BATCH, LIBRARY, LR, NEGATIVES, POLICY, REFRESHES, RESULTS, RIVAL, TEMPERATURE, Cell
from benchmarks.quality.prepare import TASKS
from benchmarks.quality.scores import scored
from geovec_data.dataset import Dataset
from geovec_data.mining.mine import MineConfig
from geovec_data.mining.mine import run as mine
from geovec_train.batches.data import load_train
from geovec_train.config import TrainConfig
from geovec_train.models.load import save_model
from geovec_train.training.overlay import overlay
from geovec_train.training.setup import make_model
from geovec_train.training.train import run as train

BLIND = ("image", "box", "text")
LATER = 100  # added to the seed in the second stage, whose order would else be that of the first


def main(options: dict[str, str]) -> None:
    """Do one cell."""
    work = Path(options.pop("work"))
    run(Cell(**(options | {"seed": int(options.get("seed", 0))})), work)  # type: ignore[arg-type]


def run(cell: Cell, work: Path) -> dict[str, Any]:
    """Train and score a cell, or return what is known of it."""
    file = RESULTS / f"{cell.name}.json"
    if file.is_file():
        return dict(json.loads(file.read_text(encoding="utf-8")))
    home = cell.home(work)
    home.mkdir(parents=True, exist_ok=True)
    data = _own_view(work / cell.data, home / ("library" if cell.arm in LIBRARY else "ours"))
    stages = _library(cell, home, data) if cell.arm in LIBRARY else _ours(cell, home, data)
    model = home / f"{cell.arm}-{cell.budget}"
    result = {
        **{n: getattr(cell, n) for n in ("data", "model", "arm", "seed", "budget")},
        "batch": BATCH,
        "dataset_fingerprint": data.manifest.fingerprint,
        "stages": stages,
        "items": sum(s["items"] for s in stages),
        "scores": scored(data, model, home / "eval"),
    }
    if cell.arm in (RIVAL, "mined") and cell.seed == 0 and cell.budget == "steps":
        result["blind"] = {b: scored(data, model, home / "eval", blind=b, units=False) for b in BLIND}
    RESULTS.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(result, indent=None, separators=(",", ":"), default=float) + "\n", encoding="utf-8")
    part.rename(file)
    return result


def _own_view(dataset: Path, home: Path) -> Dataset:
    """Return the dataset under a folder in which vectors and mined negatives of these encoders may lie."""
    return Dataset(home) if (home / "manifest.json").exists() else overlay(Dataset(dataset), home)


def _beginning(cell: Cell, home: Path, data: Dataset) -> Path:
    """Return the folder of the initial weights, which all arms of a seed share."""
    out = home / "initial"
    if not (out / "modules.json").is_file():
        save_model(_encoder(cell, data, cell.model), out)
    return out


def _encoder(cell: Cell, data: Dataset, model: str) -> SentenceTransformer:
    """Return an encoder as GeoVec's trainer begins with it: a new one, or that of a folder."""
    config = TrainConfig(dataset=data.path, out=data.path, model=model, seed=cell.seed, device="cpu")
    return make_model(config, data, load_train(data, sorted(TASKS[cell.data]), None, NEGATIVES))[0]


def _library(cell: Cell, home: Path, data: Dataset) -> list[dict[str, Any]]:
    pairs, said = library.pairs_of(data, TASKS[cell.data])
    distinct = cell.arm == RIVAL
    kept: dict[str, Any] = {"lr": LR[cell.model], "distinct": distinct}

    def encoder(folder: Path) -> SentenceTransformer:
        model = _encoder(cell, data, str(folder))
        library.by_name(model, data, said)
        return model

    def first(out: Path) -> dict[str, Any]:
        log = library.train(
            encoder(_beginning(cell, home, data)), pairs, out, steps=cell.stage, seed=cell.seed, decay=0.0, **kept
        )
        return {"loss": _tail(log)}

    def second(out: Path) -> dict[str, Any]:
        model = encoder(half)
        own, facts = library.mine(model, pairs) if distinct else (pairs, {})
        log = library.train(model, own, out, steps=_second(cell), seed=cell.seed + LATER, decay=0.5, **kept)
        return {"loss": _tail(log), "mined": facts}

    half = home / f"half-{cell.arm}"
    return [
        staged(half, cell.stage, first),
        staged(home / f"{cell.arm}-{cell.budget}", _second(cell), second),
    ]


def _ours(cell: Cell, home: Path, data: Dataset) -> list[dict[str, Any]]:
    pairs, _ = library.pairs_of(data, TASKS[cell.data])
    policy = POLICY[cell.data]
    common: dict[str, Any] = {
        "dataset": data.path,
        "tasks": TASKS[cell.data],
        "weights": {task: len(rows) for task, rows in pairs.items()},  # as the library draws them
        "batch": BATCH,
        "lr": LR[cell.model],
        "temperature": TEMPERATURE,
        "learn_temperature": False,
        "negatives_per_query": NEGATIVES,
        "augment": False,
        "save_every": 100,
        "keep": 1,
        "device": "cpu",
    }

    def first(out: Path) -> dict[str, Any]:
        start = str(_beginning(cell, home, data))
        summary = train(
            TrainConfig(**common, out=out, model=start, seed=cell.seed, steps=cell.stage, decay=0.0, negatives="none")
        )
        return {"loss": summary["loss"]}

    def second(out: Path) -> dict[str, Any]:
        steps = _second(cell)
        more: dict[str, Any] = {"negatives": "none"}
        facts: dict[str, Any] = {}
        if cell.arm != "mask":
            own = {"dataset": data.path, "tasks": list(TASKS[cell.data]), "k": NEGATIVES, "device": "cpu"}
            found = mine(MineConfig.model_validate(own | policy | {"encoder": str(half), "run": "own"}))
            facts = {n: found[n] for n in ("drops", "short")}
            more = {"negatives": "own"}
        if cell.arm == "fresh":
            more |= {"mine_every": str(steps // REFRESHES), "mine": policy}
        more |= {"model": str(half), "seed": cell.seed + LATER, "steps": steps, "decay": 0.5}
        summary = train(TrainConfig(**common, **more, out=out))
        return {"loss": summary["loss"], "mined": facts, "refreshes": summary["refreshes"]}

    half = home / "half-ours"
    return [
        staged(half, cell.stage, first),
        staged(home / f"{cell.arm}-{cell.budget}", _second(cell), second),
    ]


def _second(cell: Cell) -> int:
    """Return the steps of the second stage: those of the plan, or as many as the rival's items are enough for."""
    if cell.budget == "steps":
        return cell.stage
    rival, own = (
        json.loads((RESULTS / f"{Cell(cell.data, cell.model, arm, cell.seed).name}.json").read_text(encoding="utf-8"))
        for arm in (RIVAL, cell.arm)
    )
    first, second = own["stages"]
    steps: float = (rival["items"] - first["items"]) * second["steps"] / second["items"]
    return max(1, round(steps))


def staged(out: Path, steps: int, train_into: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Train a stage unless it is there, and return what is known of it: steps, items encoded, CPU seconds."""
    facts = out.with_suffix(".json")
    if not facts.is_file():
        shutil.rmtree(out, ignore_errors=True)  # what a killed run left would not be counted
        before = resource.getrusage(resource.RUSAGE_SELF)
        with counted() as count:
            more = train_into(out)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        facts.write_text(json.dumps({"steps": steps, **count, "cpu_s": round(cpu, 1), **more}), encoding="utf-8")
    return dict(json.loads(facts.read_text(encoding="utf-8")))


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """Count the items that are encoded with gradients, and the pictures that are seen for them."""
    count = {"items": 0, "pictures": 0}

    def hook(module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        if isinstance(module, SentenceTransformer) and torch.is_grad_enabled():
            count["items"] += len(given[0]["input_ids"])
            if (shown := given[0].get("image_ids")) is not None:
                count["pictures"] += int(shown.max()) + 1

    handle = register_module_forward_pre_hook(hook)
    try:
        yield count
    finally:
        handle.remove()


def _tail(log: list[dict[str, Any]]) -> float:
    return float(np.mean([p["loss"] for p in log[-5:]]))


if __name__ == "__main__":
    main(dict(a.split("=", 1) for a in sys.argv[1:]))
