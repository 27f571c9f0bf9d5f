"""How good the encoder is while it is trained: P@1 and R@10 of the dataset's val split, as `geovec-eval` has them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from geovec_data.dataset import Dataset
from geovec_data.errors import ResourceFault
from geovec_data.memory import MemoryFault
from geovec_train.config import TrainConfig
from geovec_train.evaluation.pools import Pool, pools
from geovec_train.training.memory import scored_at_a_time
from geovec_train.training.overlay import overlay

SPLIT = "val"
SHOWN = ("P@1", "R@10")


class DevSet:
    """The val split's pools of the tasks that are trained; the test split is never looked at.

    Args:
        config: the run's options. In its folder a scoring has one of its own, for vectors and a copy of the weights;
            it is removed after it.
        dataset: the dataset.
        tasks: the tasks that are trained.
        advice: what to do when a batch of items does not fit into memory.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset, tasks: Sequence[str], advice: str) -> None:
        self._dataset, self._home, self._device = dataset, config.out / ".dev", config.device
        self._batch, self._advice = scored_at_a_time(config), advice
        con = dataset.connect()
        first: dict[str, Pool] = {}  # of a task's pools the first: the one that its examples ask
        for pool in pools(dataset, con, SPLIT, list(tasks)):
            first.setdefault(pool.task, pool)
        con.close()
        self._pools = list(first.values())

    def __bool__(self) -> bool:
        return bool(self._pools)

    def scores(self, snapshot: Callable[[Path], None]) -> dict[str, float]:
        """Score the weights of the moment.

        Args:
            snapshot: saves the model of the moment into a folder.

        Returns:
            ``P@1`` and ``R@10``, the mean over tasks; and those of each task as ``P@1/<task>``.

        Raises:
            ResourceFault: when a batch does not fit into memory.
        """
        try:
            return self._scores(snapshot)
        except MemoryFault as error:
            raise ResourceFault(self._advice) from error

    def _scores(self, snapshot: Callable[[Path], None]) -> dict[str, float]:
        from geovec_train.evaluation.ranking import rank
        from geovec_train.evaluation.score_row import score_row
        from geovec_train.evaluation.vectors import Vectorizer
        from geovec_train.models.load import quiet

        data = overlay(self._dataset, self._home)
        snapshot(self._home / "encoder")
        out: dict[str, float] = {}
        with torch.random.fork_rng(devices=[]), quiet():
            encoder = Vectorizer(str(self._home / "encoder"), data, device=self._device, batch=self._batch)
            for pool in self._pools:
                queries = encoder.vectors(pool.queries, data.instruction(f"{pool.task}/0"))
                items = encoder.vectors(pool.items, None)
                row = score_row(pool, rank(pool, queries, items, encoder.device), draws=0, seed=0)
                out |= {f"{name}/{pool.task}": round(row["metrics"][name]["value"], 6) for name in SHOWN}
        shutil.rmtree(self._home)
        mean = {n: sum(v for k, v in out.items() if k.startswith(f"{n}/")) / len(self._pools) for n in SHOWN}
        return {n: round(v, 6) for n, v in mean.items()} | out
