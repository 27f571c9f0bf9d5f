"""Options of ``geovec-data report``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class ReportConfig(BaseModel):
    """Options of `geovec-data report`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dataset: Path = Field(description="dataset directory")
    model: Path | None = Field(None, description="training run whose loss curve and scores are shown")
    run: str | None = Field(None, description="mining run to show; null: the only one")
    scores: Path | None = Field(None, description="scores.json to show; null: what geovec-eval wrote for the model")
    out: Path | None = Field(None, description="file to write; null: <dataset>/report.html")
    examples: int = Field(4, ge=1, le=50, description="examples shown of each task")
    scenes: int = Field(8, ge=0, le=100, description="scenes shown with all their regions")
    seed: int = Field(0, description="another seed shows other examples")
