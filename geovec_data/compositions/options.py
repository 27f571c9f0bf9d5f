"""What a recipe may say of its compositions."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ComposeOptions(BaseModel):
    """How changes of scenes are derived; heeded where the recipe lists the task `composed_to_image`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    per_image: int = Field(2, ge=0, description="most changes asked of one query image, chosen by hash; 0: all")
    per_change: int = Field(
        100, ge=0, description="most query images of one change in a split, chosen by hash; 0: all of them"
    )
    per_target: int = Field(
        0,
        ge=0,
        description="most query images of one change in a split for each image that answers it, so that no one image"
        " answers nearly all; 0: all of them",
    )
    most_targets: int = Field(
        200, ge=0, description="a change that more images of the split answer is left out as too easy; 0: none is"
    )
    phrasing: Literal["varied", "plain"] = Field(
        "varied", description="varied: several wordings, by hash; plain: the bare value, or with/without the category"
    )
    merge: dict[str, str] = Field(
        {}, description="scene classes that count as one where an attribute changes, e.g. {overpass: road pass}"
    )
