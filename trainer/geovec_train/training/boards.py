"""Where the numbers of a run are shown: TensorBoard always, Weights & Biases where its package is installed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from geovec_data.progress import say
from geovec_train.training.resume import SETTINGS_FILE


class Boards:
    """Takes numbers by name and step.

    Args:
        out: the run's folder.
        step: the step that the run goes on from; what is shown of later steps is made again.
    """

    def __init__(self, out: Path, step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)
        self._run = _wandb(out)

    def add(self, numbers: dict[str, float], step: int) -> None:
        """Show some numbers of a step."""
        for name, value in numbers.items():
            self._board.add_scalar(name, value, step)
        if self._run is not None:
            self._run.log(numbers, step=step)

    def close(self) -> None:
        """Write what is held back."""
        self._board.close()
        if self._run is not None:
            self._run.finish()


def _wandb(out: Path) -> Any:
    """Begin or go on with a run of Weights & Biases; None where it is not installed, switched off, or refuses."""
    if importlib.util.find_spec("wandb") is None or os.environ.get("WANDB_MODE") == "disabled":
        return None
    import wandb

    options = json.loads((out / SETTINGS_FILE).read_text(encoding="utf-8"))
    name = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
    try:
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT", "geovec"),
            name=out.name,
            id=name,
            resume="allow",
            dir=str(out),
            config=options,
            allow_val_change=True,  # a run may go on with more workers
        )
    except Exception as error:  # no account, no network: whatever it is, training does not depend on it
        say(f"Weights & Biases is installed and does not start ({error}); set WANDB_MODE=offline, or =disabled")
        return None
