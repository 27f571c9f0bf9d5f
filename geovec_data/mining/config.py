"""The options of a mining run; each is documented here and nowhere else: these texts are the help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from geovec_data.mining.policy_config import PolicyConfig, QuotaConfig
from geovec_data.mining.search_config import SearchConfig


class PoolConfig(BaseModel):
    """Which part of the dataset is mined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: str = Field(
        "train",
        description="split whose queries and candidates are mined; another than train is recorded in the run's"
        " summary and is not for training",
    )
    corpus: list[str] = Field(
        default_factory=list, description="corpora whose examples and candidates are mined; empty: all"
    )
    modality: list[str] = Field(
        default_factory=list,
        description="what candidates are (text, image, image+box, coordinate, …); examples whose positives are"
        " something else are left out; empty: all",
    )


class MineConfig(BaseModel):
    """Mine hard negatives: ``geovec-data mine dataset=… encoder=…``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Path = Field(description="dataset directory, made by geovec-data build")
    encoder: str = Field(
        "", description="any SentenceTransformer: a folder, a training run, or a hub name; needed but with reuse"
    )
    preset: str | None = Field(
        None, description="options of recipes/mining/<name>.yaml, or of your own .yaml; what is given beside it wins"
    )
    reuse: str | None = Field(
        None,
        description="a run whose stored candidates are judged anew by another policy, k or quota; nothing is embedded"
        " or searched, and pool, anchor, depth and codecs are that run's",
    )
    run: str = Field("default", description="name of this mining run: it is written to <dataset>/mining/<run>/")
    k: int = Field(4, ge=1, description="negatives per example; with quota.hard the sum of the quotas counts instead")
    quota: QuotaConfig = Field(default_factory=QuotaConfig, description="how many negatives of which kind")
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
    search: SearchConfig = Field(default_factory=SearchConfig, description="how nearest candidates are found")
    box_codec: str | None = Field(
        None,
        description="how boxes are written: qwen2vl, qwen2_5vl, qwen3vl, pixels, normalized; null: as the encoder was"
        " trained, or as its family writes them",
    )
    coordinate_codec: str | None = Field(
        None, description="how coordinates are written; null: as the encoder was trained, or lat_lon"
    )
    device: str = Field("auto", description="auto (a CUDA device if there is one), cpu, cuda or cuda:<n>")
    batch: int = Field(32, ge=1, description="items per forward pass")
    workers: int = Field(
        0,
        ge=0,
        description="threads that decode images and prepare batches ahead of the device; 0: two, beside a GPU one a"
        " core, at most eight",
    )
    engine: Literal["local", "ray"] = Field(
        "local",
        description="local: this machine; ray: a Ray cluster encodes (an actor on each GPU, else on each machine) and"
        " searches by shards of the pool; dataset and encoder lie on storage that all its machines share",
    )
    ray_address: str | None = Field(
        None, description="engine=ray: auto or host:port of a running cluster; null: RAY_ADDRESS, else this machine"
    )
    helper: bool = Field(
        False,
        description="only search, for the run of this name that another process mines with the same options: any"
        " number of processes, on any machine that sees the dataset; of those that torchrun starts all but the first"
        " do so by themselves",
    )
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

    @property
    def hard(self) -> int:
        """Negatives per example that similarity finds."""
        return self.k - self.quota.others if self.quota.hard is None else self.quota.hard

    @property
    def total(self) -> int:
        """Negatives per example, of all kinds."""
        return self.hard + self.quota.others

    @model_validator(mode="after")
    def _options_agree(self) -> MineConfig:
        if not self.encoder and self.reuse is None:
            raise ValueError("encoder=… is needed (or reuse=<run>, to judge its candidates anew)")
        if self.hard < 0 or self.total < 1:
            raise ValueError(
                f"k={self.k} is less than the quotas beside it ({self.quota.others}): give k or quota.hard"
            )
        if self.depth < self.hard:
            raise ValueError(f"depth={self.depth} is less than k={self.hard}: search at least k candidates")
        return self
