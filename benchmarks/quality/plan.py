"""The arms, and the cells in the order in which they are worth running.

Every arm has two stages of equally many steps, so that negatives can be mined with the arm's own weights half-way;
those that need none go on without. The optimizer begins anew in all of them, the learning rate falls in the second
stage's second half, and nothing else differs: initial weights, messages, batch, temperature (fixed at 0.05, the
library's own), both directions scored, no augmentation.

===== ================================================================================================================
plain MNRL: sentence-transformers' trainer and loss, batches as they come
best  NO_DUPLICATES batches, and negatives of its `mine_hard_negatives` (relative margin 0.05) in the second stage
mask  GeoVec's trainer: known positives masked, items that repeat encoded once, regions against those of their scene
mined the same, and negatives by GeoVec's policy in the second stage
fresh the same, and mined anew twice more
===== ================================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Budget = Literal["steps", "items"]

RESULTS = Path(__file__).parent.parent / "results" / "quality"
SCORES = ("P@1", "R@10")

SETS = ("regions", "rsicd")
LIBRARY = ("plain", "best")
ARMS = (*LIBRARY, "mask", "mined", "fresh")
RIVAL = "best"
BATCH = 64
STEPS = {  # of both stages together; a step of mini takes ten times the CPU time of tiny's
    "tiny": {"regions": 300, "rsicd": 500},
    "mini": {"regions": 80, "rsicd": 60},
}
LR = {"tiny": 1e-3, "mini": 1e-3}
TEMPERATURE = 0.05
NEGATIVES = 2
MARGIN = 0.05
REFRESHES = 3
POLICY: dict[str, dict[str, Any]] = {
    "regions": {"quota": {"hard": 1, "region": 1}, "policy": {"relative_margin": MARGIN}},
    "rsicd": {"policy": {"relative_margin": MARGIN}},
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One trained and scored encoder.

    Attributes:
        data: which dataset.
        model: which encoder.
        arm: how it is trained.
        seed: of the initial weights, the order and all else.
        budget: equal steps, or steps until as many items are encoded as the rival encodes.
    """

    data: str
    model: str
    arm: str
    seed: int
    budget: Budget = "steps"

    @property
    def name(self) -> str:
        """Name the cell's file."""
        return f"{self.data}-{self.model}-{self.arm}-{self.seed}-{self.budget}"

    @property
    def stage(self) -> int:
        """Steps of one stage."""
        return STEPS[self.model][self.data] // 2

    def home(self, work: Path) -> Path:
        """Return the folder of this cell's weights; arms of one kind share their first stage."""
        return work / "runs" / f"{self.data}-{self.model}-{self.seed}"


def in_order(models: tuple[str, ...] = ("tiny",), seeds: tuple[int, ...] = (0, 1, 2)) -> list[Cell]:
    """List all cells, the most telling first: the rival and ours, then what lies between."""
    every: list[Cell] = []
    budgets: tuple[Budget, ...] = ("steps", "items")
    for model in models:
        for budget in budgets:
            for data in SETS:
                for arms in (("best", "mined", "mask"), ("plain", "fresh")):
                    every += [
                        Cell(data, model, arm, seed, budget)
                        for seed in seeds
                        for arm in arms
                        if budget == "steps" or arm != RIVAL
                    ]
    return every
