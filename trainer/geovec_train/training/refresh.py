"""Negatives mined anew while training: between two steps, with the weights of the moment.

A refresh is due before every step that `every` divides, and leaves ``out/refresh/<step>/``: its negatives, its summary
and its facts. What it took besides (a copy of the weights, a vector for every item, the candidates) goes when it is
done, and negatives go when no checkpoint that is kept can ask for them: disk use does not grow with the refreshes.

A run that is killed in a refresh does it again from its beginning, so that batches of the encoder, and with them the
last bits of scores, are those of an uninterrupted run; one that is killed later finds the negatives in its folder.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch

from geovec_data.dataset import Dataset
from geovec_data.errors import GeoVecError, ResourceFault
from geovec_data.memory import MemoryFault
from geovec_data.mining.mine import MineConfig
from geovec_data.mining.mine import run as mine
from geovec_data.progress import say
from geovec_data.render import Codecs
from geovec_train.batches.data import TrainSet, load_train
from geovec_train.batches.ragged import Ints
from geovec_train.config import TrainConfig
from geovec_train.training.overlay import overlay
from geovec_train.training.processes import Processes
from geovec_train.training.resume import checkpoints

FOLDER = "refresh"
FACTS = "facts.json"
_RUN = "refresh"
_KEPT = ("negatives.parquet", "summary.json")


class Refresher:
    """Mines when it is due and gives the trainer the train split with the new negatives.

    Args:
        config: the run's options.
        dataset: the dataset.
        train: the train split as training begins.
        codecs: how boxes and coordinates become text.
        every: steps between refreshes.
        ranks: the processes of the run; the first of them mines.
        snapshot: saves the model of the moment into a folder.
        swap: takes the train split with its new negatives.
        report: is told the step of a refresh and its facts, perhaps again after a resumption.
        advice: what to do when a batch of items does not fit into memory.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        train: TrainSet,
        *,
        codecs: Codecs,
        every: int,
        ranks: Processes,
        snapshot: Callable[[Path], None],
        swap: Callable[[TrainSet], None],
        report: Callable[[int, dict[str, Any]], None],
        advice: str,
    ) -> None:
        self._config, self._dataset, self._train, self._codecs = config, dataset, train, codecs
        self._ranks = ranks
        self._every, self._snapshot, self._swap, self._report = every, snapshot, swap, report
        self._advice = advice
        self._home = config.out / FOLDER
        self._held = 0  # the step of the refresh whose negatives are in use
        self.stops = list(range(every, config.steps, every))

    def begin(self, step: int) -> None:
        """See to it that the negatives in use are those due at a step.

        Raises:
            UserError: when the policy leaves no negative at all, or an option does not serve.
            GeoVecError: when a refresh that a checkpoint builds on is gone.
            ResourceFault: when a batch of items does not fit into memory.
        """
        due = step - step % self._every
        if due in (0, self._held) or step >= self._config.steps:
            return
        folder = self._folder(due)
        if self._ranks.share(lambda: not folder.is_dir()):
            if due != step:
                raise GeoVecError(
                    f"{folder} is gone: the checkpoint of step {step} was trained on the negatives in it. Delete"
                    f" {self._config.out} and train again"
                )
            if (before := due - self._every) not in (0, self._held):
                self._load(before)
            if self._ranks.first:
                with torch.random.fork_rng(devices=[]):
                    self._mine(due, folder)
            self._ranks.wait()
        self._load(due)

    def _folder(self, step: int) -> Path:
        return self._home / f"{step:06d}"

    def _load(self, step: int) -> None:
        folder = self._folder(step)
        if not folder.is_dir():
            return
        self._train = load_train(self._dataset, self._train.tasks, folder, self._most)
        self._held = step
        self._swap(self._train)
        self._report(step, json.loads((folder / FACTS).read_text(encoding="utf-8")))

    @property
    def _most(self) -> int:
        return self._mine_config(self._home).total

    def _mine_config(self, home: Path) -> MineConfig:
        own = self._config.mine.model_dump(exclude={"preset"})
        return MineConfig.model_validate(
            own
            | {
                "k": self._config.mine.k or self._config.negatives_per_query,
                "dataset": home,
                "encoder": str(home / "encoder"),
                "run": _RUN,
                "tasks": self._train.tasks,
                "box_codec": self._codecs.box.name,
                "coordinate_codec": self._codecs.coordinate.name,
                "device": self._config.device,
            }
        )

    def _mine(self, step: int, folder: Path) -> None:
        begun = time.monotonic()
        say(f"step {step:,}: mining negatives with the weights of this step")
        work, aside = self._home / ".working", self._home / ".done"
        overlay(self._dataset, work)
        self._snapshot(work / "encoder")
        try:
            summary = mine(self._mine_config(work))
        except MemoryFault as error:
            raise ResourceFault(self._advice) from error
        found = work / "mining" / _RUN
        fresh = load_train(self._dataset, self._train.tasks, found, self._most)
        facts = {
            "negatives": len(fresh.negatives.values),
            "examples": len(fresh),
            "churn": churn(self._train, fresh),
            "drops": {rule: n for rule, n in summary["drops"].items() if n},
            "short": summary["short"],
            "seconds": round(time.monotonic() - begun, 1),
        }
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for name in _KEPT:
            (found / name).rename(aside / name)
        (aside / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        aside.rename(folder)
        shutil.rmtree(work)
        self._prune()
        changed = "" if facts["churn"] is None else f", {facts['churn']:.0%} of them others than before"
        drops = ", ".join(f"{rule} {n:,}" for rule, n in facts["drops"].items()) or "nothing"
        say(
            f"step {step:,}: {facts['negatives']:,} negatives for {facts['examples']:,} examples{changed}; dropped:"
            f" {drops} ({facts['seconds']:,.0f} s)"
        )

    def _prune(self) -> None:
        """Remove negatives that no checkpoint can ask for: it needs those in use at its step, and those before."""
        saved = checkpoints(self._config.out / "checkpoints")
        oldest = int(saved[0].name.rpartition("-")[2]) if saved else 0
        first = oldest - oldest % self._every - self._every
        for folder in self._home.iterdir():
            if folder.name.isdigit() and int(folder.name) < first:
                shutil.rmtree(folder)


def churn(old: TrainSet, new: TrainSet) -> float | None:
    """Return the share of the new negatives that their example did not have before; None when it had none at all.

    Both are the train split of the same tasks; items can be numbered differently.
    """
    if not len(old.negatives.values) or not len(new.negatives.values):
        return None
    number: Ints = pc.fill_null(
        pc.index_in(pa.array(old.items, pa.string()), value_set=pa.array(new.items, pa.string())), -1
    ).to_numpy()
    count = len(new.items)

    def pairs(train: TrainSet, items: Ints) -> pa.Array:
        rows = train.negatives.rows()
        return pa.array((rows * count + items)[items >= 0])

    before, after = pairs(old, number[old.negatives.values]), pairs(new, new.negatives.values)
    same = pc.sum(pc.is_in(after, value_set=before)).as_py() or 0
    return float(round(1 - same / len(after), 6))
