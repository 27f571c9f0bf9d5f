"""Options of `geovec-data export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Format = Literal["hf", "webdataset", "mmeb", "sentence-transformers", "ms-swift", "ids"]
Form = Literal["pair", "triplet", "n-tuple", "labeled-pair", "labeled-list"]


class ExportConfig(BaseModel):
    """Options of `geovec-data export`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dataset: Path = Field(description="dataset directory")
    out: Path = Field(description="folder to write; new, or of this same export begun before")
    format: Format = Field(
        description="hf: images with boxes, and examples, for datasets.load_dataset; webdataset: tar shards; mmeb: the"
        " columns of MMEB and its images; sentence-transformers: what its trainer takes; ms-swift: JSON lines;"
        " ids: ids and scores alone"
    )
    tasks: tuple[str, ...] | None = Field(None, description="only these tasks; null: all")
    splits: tuple[str, ...] = Field(("train", "val", "test"), description="splits to export")
    negatives: str | None = Field(
        None, description="mining run to take negatives from, or none; null: the only run there is (train split alone)"
    )
    negatives_per_example: int = Field(4, ge=1, description="the most negatives of an example, hardest first")
    form: Form = Field(
        "n-tuple",
        description="sentence-transformers: pair, triplet (a row a negative), n-tuple (a row an example; those with"
        " fewer negatives are told), labeled-pair, labeled-list",
    )
    scores: bool = Field(False, description="sentence-transformers: the encoder's scores as labels instead of 1 and 0")
    instruction: bool = Field(True, description="put the task's canonical instruction before each query")
    box_codec: str = Field(
        "qwen2vl",
        description="how boxes become text: qwen2vl, qwen2_5vl[:fewest-most pixels], qwen3vl, pixels or"
        " normalized[:digits]",
    )
    coordinate_codec: str = Field("lat_lon", description="how coordinates become text, as geovec-train's")
    rows_per_shard: int = Field(2000, ge=1, description="rows of a shard")
