"""Which tasks an encoder can mine; one that it cannot is named with the reason, never left out in silence."""

from __future__ import annotations

import numpy as np

from geovec_data.errors import UserError, suggest
from geovec_data.mining.config import MineConfig
from geovec_data.mining.encoder import Card
from geovec_data.mining.items import Ints, Items
from geovec_data.mining.plan import TaskPlan


def choose(
    config: MineConfig, card: Card, items: Items, plans: list[TaskPlan]
) -> tuple[list[TaskPlan], dict[str, str]]:
    """Return the tasks to mine, and the others with the reason why not.

    Raises:
        UserError: for an unknown task, a wanted one that the encoder cannot take, or when none is left.
    """
    names = [p.task for p in plans]
    for wanted in config.tasks:
        if wanted not in names:
            raise UserError(
                f"tasks: no example of '{wanted}' in the {config.pool.split} split.{suggest(wanted, names)}"
            )
    asked = [p for p in plans if not config.tasks or p.task in config.tasks]
    skipped = {p.task: why for p in asked if (why := _obstacle(config.anchor == "query", card, items, p))}
    chosen = [p for p in asked if p.task not in skipped]
    if skipped and (config.tasks or not chosen):
        reasons = "; ".join(f"{task}: {why}" for task, why in skipped.items())
        raise UserError(f"encoder={config.encoder} cannot mine {reasons}.{_way_out(config, card, items, plans)}")
    return chosen, skipped


def _obstacle(query: bool, card: Card, items: Items, plan: TaskPlan) -> str:
    taken = ", ".join(card.modalities)
    for what, numbers in (("queries", plan.query), ("candidates", plan.pool)):
        if what == "queries" and not query:
            continue
        refused = [m for m in _modalities(items, numbers) if not card.takes(m)]
        if refused:
            return f"its {what} are {' and '.join(refused)}, the encoder takes {taken}"
    return ""


def _modalities(items: Items, numbers: Ints) -> list[str]:
    return [items.modalities[n] for n in np.unique(items.modality[numbers])]


def _way_out(config: MineConfig, card: Card, items: Items, plans: list[TaskPlan]) -> str:
    possible = {
        anchor: [p.task for p in plans if not _obstacle(anchor == "query", card, items, p)]
        for anchor in ("query", "positive")
    }
    if possible[config.anchor]:
        return f" It can mine tasks=[{','.join(possible[config.anchor])}]."
    if possible["positive"]:
        return (
            " With anchor=positive (negatives resemble the example's positives) it can mine"
            f" tasks=[{','.join(possible['positive'])}]."
        )
    return " Use an encoder that takes images and text, such as one that geovec-train made."
