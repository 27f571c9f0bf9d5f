"""Early stopping: the best weights by R@10 of the val split are kept, and training ends when nothing better comes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

BY = "R@10"
FOLDER = "best"


class Stopping:
    """Judges the scorings of the val split.

    Args:
        out: the run's folder; the best weights are kept in ``best/`` until the run ends.
        patience: scorings without a better one after which training ends; 0: none of this.
        snapshot: saves the model of the moment into a folder.
    """

    def __init__(self, out: Path, patience: int, snapshot: Callable[[Path], None]) -> None:
        self.folder = out / FOLDER
        self.patience = patience
        self._snapshot = snapshot

    def judge(self, scorings: Sequence[dict[str, Any]]) -> bool:
        """Keep the weights if the last scoring is the best; tell whether training ends.

        Args:
            scorings: all so far, in order, each with its ``step``.
        """
        if not self.patience:
            return False
        if best_of(scorings) == len(scorings) - 1:
            aside = self.folder.with_name(f".{FOLDER}")
            shutil.rmtree(aside, ignore_errors=True)
            self._snapshot(aside)
            shutil.rmtree(self.folder, ignore_errors=True)
            aside.rename(self.folder)
        return self.over(scorings)

    def over(self, scorings: Sequence[dict[str, Any]]) -> bool:
        """Tell whether training has ended."""
        return bool(self.patience and scorings) and len(scorings) - 1 - best_of(scorings) >= self.patience


def best_of(scorings: Sequence[dict[str, Any]]) -> int:
    """Return which scoring is the best; of equal ones the first."""
    return max(range(len(scorings)), key=lambda n: (scorings[n][BY], -n))
