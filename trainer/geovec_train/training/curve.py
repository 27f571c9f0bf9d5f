"""The loss curve: ``log.jsonl``, TensorBoard, and the progress that a person sees."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from geovec_data.progress import LOG_EVERY_S, say
from geovec_train.batches.loader import Ahead
from geovec_train.losses.loss import MaskedInfoNCE
from geovec_train.training.boards import Boards
from geovec_train.training.processes import Processes

LOG_FILE = "log.jsonl"


class Curve(TrainerCallback):  # type: ignore[misc]
    """Writes one JSON object for each logged step, the same to TensorBoard, and shows loss, rate and time left.

    Args:
        out: the run's folder; ``log.jsonl`` and ``tensorboard/`` go there.
        batches: tells how long the steps waited for data.
        loss: tells the temperature.
        ranks: the processes of the run; the first of them writes.
    """

    def __init__(self, out: Path, batches: Ahead, loss: MaskedInfoNCE, ranks: Processes) -> None:
        self._ranks = ranks
        self._out, self._batches, self._loss = out, batches, loss
        self._bar: Any = None
        self._last = 0.0
        self.away = 0.0  # seconds spent on other things than steps

    def _clock(self) -> float:
        return time.perf_counter() - self._batches.paused - self.away

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Open the log; lines after the step that is gone on from are dropped: they are made again."""
        if not self._ranks.first:
            return
        file = self._out / LOG_FILE
        kept = [r for r in read_log(file) if r["step"] <= state.global_step]
        part = file.with_suffix(".tmp")
        part.write_text("".join(json.dumps(r) + "\n" for r in kept), encoding="utf-8")
        part.replace(file)
        self._boards = Boards(self._out, state.global_step)
        self._first, self._start = state.global_step, self._clock()
        self._mark, self._waited, self._at = self._start, self._batches.waited, state.global_step
        self._drawn = self._batches.drawn
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=state.max_steps, initial=state.global_step, desc="training", unit=" steps", dynamic_ncols=True
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the bar; the last step is logged whatever `log_every` is."""
        if state.global_step >= state.max_steps:
            control.should_log = True
        if self._bar is not None:
            self._bar.update(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Write a point of the curve."""
        if not self._ranks.first or not logs or "loss" not in logs or state.global_step == self._at:
            return
        now = self._clock()
        span = max(now - self._mark, 1e-9)
        row = {
            "step": state.global_step,
            "loss": round(logs["loss"], 6),
            "lr": logs.get("learning_rate"),
            "grad_norm": logs.get("grad_norm"),
            "temperature": round(self._loss.temperature, 6),
            "pairs_per_s": round((self._batches.drawn - self._drawn) / span, 2),
            "waiting_for_data": round(min(1.0, (self._batches.waited - self._waited) / span), 4),
        }
        self._mark, self._waited, self._at = now, self._batches.waited, state.global_step
        self._drawn = self._batches.drawn
        with (self._out / LOG_FILE).open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(row) + "\n")
        shown = {f"train/{n}": v for n, v in row.items() if n != "step" and v is not None}
        self._boards.add(shown, state.global_step)
        self._show(state, row, now)

    def _show(self, state: Any, row: dict[str, Any], now: float) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {row['loss']:.3f}, {row['pairs_per_s']:.0f} pairs/s")
            return
        if now - self._last < LOG_EVERY_S and state.global_step < state.max_steps:
            return
        self._last = now
        rate = (state.global_step - self._first) / max(now - self._start, 1e-9)
        left = int((state.max_steps - state.global_step) / rate)
        say(
            f"training: step {state.global_step:,} of {state.max_steps:,}, loss {row['loss']:.3f},"
            f" {row['pairs_per_s']:.0f} pairs/s, {left // 60}:{left % 60:02d} left"
        )

    def event(self, step: int, kind: str, facts: dict[str, Any]) -> None:
        """Write what happened at a step beside its loss, numbers to TensorBoard too; once, however often it is told.

        Args:
            step: the step.
            kind: ``dev`` or ``refresh``.
            facts: JSON values.
        """
        file = self._out / LOG_FILE
        if not self._ranks.first or any(r["step"] == step and kind in r for r in read_log(file)):
            return
        with file.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({"step": step, kind: facts}) + "\n")
        self._boards.add(dict(_numbers(kind, facts)), step)

    def points(self) -> list[dict[str, Any]]:
        """Return the losses so far."""
        return [r for r in read_log(self._out / LOG_FILE) if "loss" in r]

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return what happened so far, each with its step."""
        return [{"step": r["step"], **r[kind]} for r in read_log(self._out / LOG_FILE) if kind in r]

    def close(self) -> None:
        """Close the bar and the writer; also after a failure."""
        if self._bar is not None:
            self._bar.close()
        if hasattr(self, "_boards"):
            self._boards.close()


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(f"{name}/{key}", inner)
    elif isinstance(value, (int, float)):
        yield name, value


def read_log(file: Path) -> list[dict[str, Any]]:
    """Read a loss curve; a last line that a kill cut short is left out."""
    if not file.is_file():
        return []
    rows = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
