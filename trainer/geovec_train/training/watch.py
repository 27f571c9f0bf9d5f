"""What happens at chosen steps of a run: the val split is scored, and a checkpoint precedes every refresh."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from geovec_train.training.curve import Curve
from geovec_train.training.dev import DevSet
from geovec_train.training.processes import Processes
from geovec_train.training.stopping import Stopping


class Watch(TrainerCallback):  # type: ignore[misc]
    """Scores the val split and asks for checkpoints.

    Args:
        curve: where scores are written.
        dev: the val split, or None.
        ranks: the processes of the run; the first of them scores.
        every: steps between scorings; 0: at refreshes alone.
        refreshes: steps after which negatives are mined anew.
        gather: puts a divided model together, so that it can be saved; called by all processes.
        snapshot: saves the model of the moment into a folder.
        stopping: judges the scorings.
    """

    def __init__(
        self,
        curve: Curve,
        dev: DevSet | None,
        ranks: Processes,
        *,
        every: int,
        refreshes: Collection[int],
        gather: Callable[[], None],
        snapshot: Callable[[Path], None],
        stopping: Stopping,
    ) -> None:
        self._ranks, self._stopping = ranks, stopping
        self._curve, self._dev, self._every, self._snapshot = curve, dev, every, snapshot
        self._gather = gather
        self._refreshes = frozenset(refreshes)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Score, log and save where it is due; runs before the checkpoint of the step is written."""
        step = state.global_step
        refresh = step in self._refreshes
        scoring = self._dev and (refresh or (self._every and step % self._every == 0))
        if scoring or refresh:
            self._gather()
        if self._dev and scoring:
            begun = time.perf_counter()
            scores = self._ranks.share(partial(self._dev.scores, self._snapshot))
            self._curve.away += time.perf_counter() - begun
            self._curve.event(step, "dev", scores)
            self._ranks.say(f"step {step:,}: val split " + ", ".join(f"{n} {scores[n]:.1%}" for n in ("P@1", "R@10")))
            if self._ranks.share(self.over_now):
                self._ranks.say(
                    f"step {step:,}: no better R@10 in the last {self._stopping.patience} scorings: the end"
                )
                control.should_training_stop = control.should_save = control.should_log = True
        if refresh:  # a killed run then goes on from the very weights that it mines with
            control.should_save = control.should_log = True

    def over_now(self) -> bool:
        """Judge the last scoring; for the first process."""
        return self._stopping.judge(self._curve.events("dev"))
