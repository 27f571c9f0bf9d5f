"""How a dataset is deduplicated, and whose copy stays."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DedupOptions(BaseModel):
    """Deduplication, over all corpora of the dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    prefer: tuple[str, ...] = Field(
        (),
        description="corpora whose copy of an image stays, first to last; then the copy with more labels, then the"
        " first by corpus and key",
    )
    near: Literal["off", "report", "drop"] = Field(
        "off",
        description="near-duplicate images (encoded anew, resized, turned, mirrored, cropped): report counts them; drop"
        " keeps the one with more pixels, then labels, and lists the others in rejects. Off: they may bear other"
        " labels, and those on both sides of a split are the leak gate's",
    )
    queries: bool = Field(
        True, description="a text or coordinate that is asked of several images is one example with several positives"
    )
