"""How a dataset is deduplicated, and whose copy stays."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DedupOptions(BaseModel):
    """Deduplication, over all corpora of the dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    prefer: tuple[str, ...] = Field(
        (),
        description="corpora whose copy of an image stays, first to last; then the copy with more labels, then the"
        " first by corpus and key",
    )
    queries: bool = Field(
        True, description="a text or coordinate that is asked of several images is one example with several positives"
    )
