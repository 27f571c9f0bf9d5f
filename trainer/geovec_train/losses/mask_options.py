"""What is known to be right by a key, and what it then counts as: the options of the mask."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Certain = Literal["mask", "positive"]
Likely = Literal["off", "mask", "positive"]


class MaskOptions(BaseModel):
    """For each key: ``mask`` (neither positive nor negative), ``positive`` (a further positive) or ``off``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    qrels: Certain = Field("mask", description="what any example calls right, in either direction: mask or positive")
    duplicate: Certain = Field(
        "mask", description="the same content as a right one (texts: the same words): mask or positive"
    )
    caption: Certain = Field("mask", description="the positive of an example with the same caption: mask or positive")
    same_class: Likely = Field(
        "off", description="what shows the class of the query or of its positive: off, mask or positive"
    )
    overlap: Likely = Field(
        "mask", description="a box of the same image that overlaps a right one, or its text: likewise"
    )
    max_iou: float = Field(0.5, gt=0.0, le=1.0, description="overlap: this IoU or more")
    same_place: Likely = Field(
        "off", description="another image or coordinate near the query's or the positive's: likewise"
    )
    near_factor: float = Field(
        1.0, ge=0.0, description="same_place: nearer than this many times the half diagonals of both images together"
    )
    near_metres: float = Field(0.0, ge=0.0, description="same_place: or nearer than this, whatever the images' size")
