"""How negatives are mined anew while training: the options of `geovec-data mine` that make sense there."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geovec_data.mining.policy_config import PolicyConfig, QuotaConfig
from geovec_data.mining.presets import read_preset
from geovec_data.mining.search_config import SearchConfig
from geovec_data.options import merge


class MineOptions(BaseModel):
    """Options of a refresh; each means what it means in ``geovec-data mine``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str | None = Field(
        None, description="options of recipes/mining/<name>.yaml, or of your own .yaml; what is given beside it wins"
    )
    k: int | None = Field(None, ge=1, description="negatives mined per example; null: negatives_per_query")
    quota: QuotaConfig = Field(default_factory=QuotaConfig, description="how many negatives of which kind")
    depth: int = Field(100, ge=1, description="candidates searched per example")
    anchor: Literal["query", "positive"] = Field(
        "query", description="what negatives must resemble: the query, or the example's positives"
    )
    policy: PolicyConfig = Field(default_factory=PolicyConfig, description="what is no negative although it is similar")
    search: SearchConfig = Field(default_factory=SearchConfig, description="how nearest candidates are found")
    batch: int = Field(32, ge=1, description="items per forward pass of the encoding")
    workers: int = Field(
        0,
        ge=0,
        description="threads that decode images and prepare batches ahead of the device; 0: two, beside a GPU one a"
        " core, at most eight",
    )

    @model_validator(mode="before")
    @classmethod
    def _preset_first(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(name := given.get("preset"), str):
            return merge(read_preset(name), given)
        return given


def interval(value: str, epoch: int) -> int:
    """Return how many steps ``200`` or ``2epochs`` are.

    Args:
        value: steps, or epochs with the word after the number.
        epoch: steps of an epoch.

    Raises:
        ValueError: when it is neither.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(steps?|epochs?)?", value)
    if match is None:
        raise ValueError("give a number of steps (200) or of epochs (1epoch, 0.5epoch)")
    number, unit = float(match[1]), match[2] or "steps"
    steps = number * epoch if unit.startswith("epoch") else number
    if steps < 1 or (unit.startswith("step") and steps != int(steps)):
        raise ValueError("give a whole number of steps, 1 or more, or some part of an epoch")
    return max(1, round(steps))
