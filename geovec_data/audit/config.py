"""The options of an audit; these texts are the help."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class AuditConfig(BaseModel):
    """Options of `geovec-data audit`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Path = Field(description="dataset directory")
    run: str | None = Field(None, description="mining run whose stored candidates are judged; null: the only one")
    truths: list[str] = Field(
        default_factory=list,
        description="what is known to be right: class (of scenes; the category of regions), osm (the same OSM object);"
        " empty: all that the dataset has",
    )
    tasks: list[str] = Field(default_factory=list, description="tasks to audit; empty: all of the run that can be")
    k: int | None = Field(None, ge=1, description="negatives per example; null: as many as the run took by similarity")
    worst: int = Field(20, ge=0, le=200, description="false negatives shown on the page, as pictures")
    resamples: int = Field(1000, ge=100, description="bootstrap resamples of the scenes, for the intervals")
    seed: int = Field(0, ge=0, description="of the bootstrap")
    out: Path | None = Field(
        None, description="folder for summary.json and audit.html; null: <dataset>/mining/<run>/audit"
    )
