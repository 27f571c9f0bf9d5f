"""Adapters of low rank in place of all weights: the options."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoraOptions(BaseModel):
    """LoRA (arXiv 2106.09685) and DoRA (arXiv 2402.09353), by PEFT."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(
        0, ge=0, description="train adapters of this rank, the rest stays as it is; 0: train all weights. Qwen: 16"
    )
    alpha: int | None = Field(None, ge=1, description="what an adapter adds is scaled by alpha / rank; null: 4 · rank")
    targets: tuple[str, ...] = Field(
        PROJECTIONS, description="names of the linear layers that get one, in the language model where there is one"
    )
    dora: bool = Field(False, description="DoRA: train the size of the weights' columns apart from their direction")
