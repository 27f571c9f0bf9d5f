"""The options of the search; these texts are the help."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Method = Literal["exact", "faiss_flat", "faiss_ivf", "faiss_hnsw", "cuvs"]


class SearchConfig(BaseModel):
    """How nearest candidates are found; whatever is not exact is scored again exactly, and its recall is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    SHORTHAND: ClassVar[str] = "method"

    method: Method = Field(
        "exact",
        description="exact (in tiles, memory bounded), faiss_flat, faiss_ivf, faiss_hnsw (index in memory; needs"
        " geovec[faiss]) or cuvs (IVF-Flat on a GPU; has not been run on one)",
    )
    dims: int | None = Field(
        None, ge=1, description="find by the first so many dimensions (Matryoshka encoders); null: all"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        "auto",
        description="find by numbers of this kind; auto: fp16 for method=exact on a GPU, else fp32. method=exact stays"
        " exact with fp16 and bf16: queries whose list could lack a candidate are searched again in fp32",
    )
    over: float | None = Field(
        None,
        ge=1.0,
        le=100.0,
        description="what is scored again is so many times what is asked for; null: 1.5 (fp16, int8), 3 (bf16), 4 (an"
        " index, fewer dims)",
    )
    lists: int | None = Field(None, ge=1, description="faiss_ivf, cuvs: lists; null: 4 x the root of the pool's size")
    probes: int | None = Field(None, ge=1, description="faiss_ivf, cuvs: lists looked at; null: an eighth, at least 16")
    breadth: int | None = Field(None, ge=1, description="faiss_hnsw: efSearch; null: twice the candidates found")
    sample: int = Field(256, ge=1, description="queries, evenly spaced, on which recall against exact is measured")
    devices: list[str] = Field(
        default_factory=list,
        description="share the pool among devices, e.g. [cuda:0,cuda:1]; empty: all of it on the run's device",
    )

    @model_validator(mode="after")
    def _options_agree(self) -> SearchConfig:
        if self.method == "cuvs" and self.precision in ("bf16", "int8"):
            raise ValueError(f"search.method=cuvs takes fp32 and fp16, not search.precision={self.precision}")
        return self
