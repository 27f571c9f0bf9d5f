"""How examples are divided: what a recipe or a user may say of it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SPLITS = ("train", "val", "test")
_MOST_BLOCKS = 16  # that a buffer may span: each is looked up for each image


class SplitOptions(BaseModel):
    """How examples are divided."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    SHORTHAND: ClassVar[str] = "method"
    method: Literal["image", "stratified", "official", "blocks", "place", "time"] = Field(
        "image",
        description="image: by hash, no image in two splits; stratified: the same, evenly along each numbered series"
        " of files (a class); official: the corpus's own; blocks: spatial; place: by region or city; time: by dates",
    )
    train: float = Field(0.8, ge=0, le=1, description="share of train")
    val: float = Field(0.1, ge=0, le=1, description="share of val")
    test: float = Field(0.1, ge=0, le=1, description="share of test")
    seed: int = Field(0, description="changes which groups fall where")
    block: float = Field(512.0, gt=0, description="blocks: side, in metres (georeferenced) or pixels of the parent")
    buffer: float = Field(64.0, ge=0, description="blocks: unused distance between splits, same unit")
    overhang: float | None = Field(
        None, ge=0, description="blocks: how far an image may reach out of its block, same unit; null: as `buffer`"
    )
    place_level: str = Field(
        "", description="place: level of the scene's places (country, city, …) or name of a scene attribute"
    )
    before: tuple[str, ...] = Field(
        (), description="time: one date (train before it, then test) or two (train, val, test), e.g. 2018-01-01"
    )

    @field_validator("before", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return tuple(str(v) for v in value) if isinstance(value, (list, tuple)) else value  # a bare year is a number

    @model_validator(mode="after")
    def _sound(self) -> SplitOptions:
        if self.train + self.val + self.test <= 0:
            raise ValueError("the shares train, val and test are all 0")
        if self.buffer + (self.overhang or 0) > _MOST_BLOCKS * self.block:
            raise ValueError(f"buffer and overhang are more than {_MOST_BLOCKS} blocks; take larger blocks")
        return self
