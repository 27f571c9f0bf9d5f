"""What the leak gate does about each of its rules, and how near is near."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from geovec_data.near import MAX_BITS, MIN_SCORE

Policy = Literal["fail", "drop_train", "drop_test", "report"]
Rule = Literal["image", "near", "lineage", "footprint", "caption"]
RULES: tuple[Rule, ...] = ("image", "near", "lineage", "footprint", "caption")
MEANING: dict[str, str] = {
    "image": "the same image, byte by byte",
    "near": "a re-encoded, resized, turned, mirrored or cropped copy",
    "lineage": "images of one published image (origin)",
    "footprint": "images whose ground overlaps",
    "caption": "a caption in the same words",
}


class LeakOptions(BaseModel):
    """The leak gate: pairs of a training image and a held-out one (val or test)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    image: Policy | None = Field(
        None,
        description="one image on both sides: fail, drop_train, drop_test (val and test alike) or report;"
        " null: fail, but report what a recipe's known_leaks names",
    )
    near: Policy | None = Field(None, description="near-duplicate images; policies as for leaks.image")
    lineage: Policy | None = Field(None, description="images of one origin; policies as for leaks.image")
    footprint: Policy | None = Field(None, description="overlapping ground; policies as for leaks.image")
    caption: Policy | None = Field(None, description="captions in the same words; null: report")
    near_bits: int = Field(
        MAX_BITS, ge=0, le=20, description="near: bits of 63 in which hashes of candidates may differ"
    )
    near_score: float = Field(
        MIN_SCORE, gt=0, le=1, description="near: concordance of the registered thumbnails from which two are copies"
    )
    footprint_buffer: float = Field(
        0.0,
        ge=0,
        description="footprint: distance within which two are too near, in metres (georeferenced) or pixels of the"
        " parent; 0: only what overlaps, by more than 1 % of the smaller",
    )
    listed: int = Field(
        1000, ge=1, description="most pairs listed for one held-out image and rule; the count of all stands beside them"
    )

    def policy(self, rule: Rule) -> Policy:
        """Return what to do about a rule's pairs."""
        said: Policy | None = getattr(self, rule)
        return said or ("report" if rule == "caption" else "fail")

    def asked(self, rule: Rule) -> bool:
        """Say whether the user chose the policy, so that it holds for known leaks too."""
        return getattr(self, rule) is not None
