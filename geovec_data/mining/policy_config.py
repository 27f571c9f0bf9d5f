"""The options of the false-negative policy: what each rule answers, and its limits; these texts are the help."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Answer = Literal["drop", "keep", "promote", "off"]


class PolicyConfig(BaseModel):
    """What is no negative although it is similar.

    Defaults drop whatever is known, or likely, to be right too, by labels where the dataset has them. Rules that read
    a truth label are `same_class` and `same_osm`; with both ``off`` the policy sees no label. Score rules are off:
    which margin serves depends on the encoder, and the presets have one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    duplicate_caption: Answer = Field(
        "drop",
        description="the same words as a positive or the query: drop, keep (no later rule is asked), promote (also"
        " chosen first) or off (not asked)",
    )
    same_image: Answer = Field("drop", description="the image of the query or a positive, in tasks without boxes")
    region_overlap: Answer = Field("drop", description="a box of the same image that overlaps a right one")
    max_iou: float = Field(0.5, gt=0.0, le=1.0, description="region_overlap: this IoU or more")
    max_containment: float = Field(
        0.9, gt=0.0, le=1.0, description="region_overlap: or this share of the smaller box inside the other"
    )
    same_osm: Answer = Field("drop", description="the same OSM object, in whatever image")
    other_box: Answer = Field(
        "keep", description="another box of the query's image: a negative for certain, so scores are not asked"
    )
    near_caption: Answer = Field("drop", description="nearly the same words as a positive or the query")
    caption_jaccard: float = Field(
        0.8, gt=0.0, le=1.0, description="near_caption: this share of the words of both, or more, is shared"
    )
    caption_within: bool = Field(
        True, description="near_caption: also where all the words that claim less are among those that claim more"
    )
    scene_expression: Answer = Field(
        "drop",
        description="an expression of another scene's region that describes this one as well: it is unique in its own"
        " scene only",
    )
    expression_jaccard: float = Field(
        0.5, gt=0.0, le=1.0, description="scene_expression: this share of the describing words is shared"
    )
    near_image: Answer = Field("drop", description="a near-duplicate of the query's or a positive's image")
    near_image_bits: int = Field(6, ge=0, le=20, description="near_image: bits of 64 in which the hashes may differ")
    same_origin: Answer = Field("drop", description="another corpus's cut of the same published image")
    overlapping_ground: Answer = Field("drop", description="footprints, or windows of one parent image, that overlap")
    near_place: Answer = Field("drop", description="a place as near as the chips are large")
    near_factor: float = Field(
        1.0, ge=0.0, description="near_place: nearer than this many times the half diagonals of both chips together"
    )
    near_metres: float = Field(0.0, ge=0.0, description="near_place: or nearer than this, whatever the chips' size")
    same_class: Answer = Field(
        "drop", description="the class of the query or a positive, its synonyms, broader and narrower classes"
    )
    same_neighbourhood: Answer = Field(
        "drop",
        description="where no class tells (unlabelled, or same_class=off): random walks over the graph of what is"
        " described alike, in words and by the encoder's vectors, end in the same place from it and from a right one",
    )
    walk_cosine: float = Field(
        0.3, gt=0.0, le=1.0, description="same_neighbourhood: this cosine of both ends, or more; 0: by chance"
    )
    rescore: str | None = Field(
        None,
        description="a second model: any SentenceTransformer, or a CrossEncoder for pairs of texts (folder or hub"
        " name); what it scores above the positive goes, the rest is taken in its order; null: off",
    )
    rescore_depth: int = Field(32, ge=1, description="rescore: so many candidates of those left are scored anew")
    rescore_margin: float | None = Field(
        0.0, ge=0.0, description="rescore: drop above positive - |positive| x margin, by its scores; null: only reorder"
    )
    min_score: float | None = Field(None, description="drop candidates less similar than this; null: off")
    max_score: float | None = Field(None, description="drop candidates more similar than this; null: off")
    against: Literal["lowest", "highest"] = Field(
        "lowest", description="margins and percentage are taken from the example's least or most similar positive"
    )
    absolute_margin: float | None = Field(
        None, ge=0.0, description="drop candidates scored above positive - margin; null: off"
    )
    relative_margin: float | None = Field(
        None, ge=0.0, description="drop candidates scored above positive - |positive| x margin; null: off"
    )
    percentage: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        description="drop candidates scored above this share of the positive (NV-Retriever's TopK-PercPos: 0.95);"
        " null: off",
    )
    min_rank: int = Field(0, ge=0, description="skip this many of the most similar that the other rules left")
    max_rank: int | None = Field(None, ge=1, description="take none beyond this rank among them; null: off")


class QuotaConfig(BaseModel):
    """How many negatives of which kind; what cannot be had is recorded and not filled up with another kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hard: int | None = Field(None, ge=0, description="found by similarity; null: what is left of k")
    region: int | None = Field(
        None,
        ge=0,
        description="another box of the same image, or its text, same category first; null: those that similarity finds"
        " count as hard ones do",
    )
    geo: int = Field(0, ge=0, description="near in place (quota.within_km) and of another class")
    random: int = Field(0, ge=0, description="drawn from the candidates, seeded by the example's id")
    within_km: float = Field(50.0, gt=0.0, description="geo: farthest place")

    @property
    def others(self) -> int:
        """How many are asked for besides the hard ones."""
        return (self.region or 0) + self.geo + self.random
