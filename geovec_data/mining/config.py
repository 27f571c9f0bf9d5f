"""The options of a mining run; each is documented here and nowhere else: these texts are the help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from geovec_data.mining.policy_config import PolicyConfig


class PoolConfig(BaseModel):
    """Which part of the dataset is mined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: str = Field(
        "train",
        description="split whose queries and candidates are mined; another than train is recorded in the run's"
        " summary and is not for training",
    )


class MineConfig(BaseModel):
    """Mine hard negatives: ``geovec-data mine dataset=… encoder=…``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Path = Field(description="dataset directory, made by geovec-data build")
    encoder: str = Field(description="any SentenceTransformer: a folder, a training run, or a hub name")
    run: str = Field("default", description="name of this mining run: it is written to <dataset>/mining/<run>/")
    k: int = Field(4, ge=1, description="negatives per example")
    depth: int = Field(
        100,
        ge=1,
        description="candidates searched and stored per example; where the policy leaves fewer than k of them, that"
        " example alone is searched deeper",
    )
    tasks: list[str] = Field(
        default_factory=list,
        description="tasks to mine, e.g. tasks=[image_to_text,text_to_image]; empty: all that the encoder can take",
    )
    anchor: Literal["query", "positive"] = Field(
        "query",
        description="what negatives must resemble: the query, or the example's positives (their normalised mean);"
        " with positive a text-only encoder serves every task whose targets are text",
    )
    pool: PoolConfig = Field(default_factory=PoolConfig, description="which part of the dataset is mined")
    policy: PolicyConfig = Field(default_factory=PolicyConfig, description="what is no negative although it is similar")
    box_codec: str | None = Field(
        None,
        description="how boxes are written: qwen2vl, pixels, normalized; null: as the encoder was trained, or qwen2vl",
    )
    coordinate_codec: str | None = Field(
        None, description="how coordinates are written; null: as the encoder was trained, or lat_lon"
    )
    device: str = Field("auto", description="auto (a CUDA device if there is one), cpu, cuda or cuda:<n>")
    batch: int = Field(32, ge=1, description="items per forward pass")
    workers: int = Field(2, ge=1, description="threads that decode images ahead of the encoder")
    overwrite: bool = Field(False, description="replace a run of this name that had other settings")

    @field_validator("run")
    @classmethod
    def _run_is_a_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value) or value == "none":
            raise ValueError("a run's name has letters, digits, '.', '_' and '-' only, and is not 'none'")
        return value

    @field_validator("device")
    @classmethod
    def _device_is_known(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
            raise ValueError("device is auto, cpu, cuda, cuda:<n> or mps")
        return value

    @model_validator(mode="after")
    def _depth_holds_k(self) -> MineConfig:
        if self.depth < self.k:
            raise ValueError(f"depth={self.depth} is less than k={self.k}: search at least k candidates")
        return self
