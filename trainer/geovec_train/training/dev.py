"""How good the encoder is while it is trained: P@1 and R@10 of the dataset's val split, as `geovec-eval` has them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from geovec_data.dataset import Dataset
from geovec_train.evaluation.pools import Pool, pools
from geovec_train.training.overlay import overlay

SPLIT = "val"
SHOWN = ("P@1", "R@10")


class DevSet:
    """The val split's pools of the tasks that are trained; the test split is never looked at.

    Args:
        dataset: the dataset.
        tasks: the tasks that are trained.
        home: a folder of one's own, for the vectors and the copy of the weights that a scoring needs; removed after it.
        device: where to encode.
    """

    def __init__(self, dataset: Dataset, tasks: Sequence[str], home: Path, device: str) -> None:
        self._dataset, self._home, self._device = dataset, home, device
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
        """
        from geovec_train.evaluation.ranking import rank
        from geovec_train.evaluation.score_row import score_row
        from geovec_train.evaluation.vectors import Vectorizer
        from geovec_train.models.load import quiet

        data = overlay(self._dataset, self._home)
        snapshot(self._home / "encoder")
        out: dict[str, float] = {}
        with torch.random.fork_rng(devices=[]), quiet():
            encoder = Vectorizer(str(self._home / "encoder"), data, device=self._device)
            for pool in self._pools:
                queries = encoder.vectors(pool.queries, data.instruction(f"{pool.task}/0"))
                items = encoder.vectors(pool.items, None)
                row = score_row(pool, rank(pool, queries, items, encoder.device), draws=0, seed=0)
                out |= {f"{name}/{pool.task}": round(row["metrics"][name]["value"], 6) for name in SHOWN}
        shutil.rmtree(self._home)
        mean = {n: sum(v for k, v in out.items() if k.startswith(f"{n}/")) / len(self._pools) for n in SHOWN}
        return {n: round(v, 6) for n, v in mean.items()} | out
