"""The structure of a referring expression, and what its vague words mean in numbers.

Follows the attributes from which DIOR-RSVG's authors made their expressions (Zhan, Xiong, Yuan, "RSVG:
Exploring Data and Models for Visual Grounding on Remote Sensing Data", IEEE TGRS 61, 2023): category, colour,
size, absolute location, location relative to another object, relation of size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Size = Literal["large", "small"]
Side = Literal["left", "right", "top", "bottom"]
Place = Literal[
    "left", "right", "top", "bottom", "center",
    "upper left", "upper right", "lower left", "lower right",
    "upper middle", "lower middle", "middle left", "middle right",
]  # fmt: skip
Direction = Literal["left", "right", "above", "below", "upper left", "upper right", "lower left", "lower right"]
RankKind = Literal["largest", "smallest", "leftmost", "rightmost", "topmost", "bottommost", "isolated"]

# A vague word is true beyond YES, false beyond NO, and undecided between: an undecided region neither satisfies
# an expression nor can it be ruled out, so an expression that leaves one is not unique.
THIRD_YES, THIRD_NO = 1 / 3, 0.42  # "left": centre in the first 33 % of the width; not left: beyond 42 %
MIDDLE_YES, MIDDLE_NO = 0.10, 0.20  # "middle": centre at most 10 % from the middle; not: beyond 20 %
EDGE_YES_PX, EDGE_NO = 1.0, 0.03  # "touching the edge": within 1 px; not: farther than 3 % of the side
SIZE_YES, SIZE_NO = 1.7, 1.3  # "large": area over 1.7 times the median of its category; not: under 1.3 times
SIZE_NEEDS = 4  # with fewer of a category there is no usual size to compare with
COLOUR_YES, COLOUR_NO = 0.55, 0.25  # share of pixels of the colour; of the colour and its look-alikes
STRAIGHT_YES, STRAIGHT_NO = 22.5, 45.0  # "left of": degrees off the axis
DIAGONAL_YES, DIAGONAL_NO = 20.0, 40.0  # "upper left of": degrees off the diagonal
# Superlatives must win clearly, or the second is as good an answer.
AREA_LEAD = 1.2  # area over the next one's
DISTANCE_LEAD = 1.2  # next one's distance over the winner's
GAP_LEAD = 0.025  # between centres, as a share of the image's side
MAX_RANK = 3  # nobody counts to the fourth largest

PLACES: dict[Place, tuple[int | None, int | None]] = {
    "left": (0, None), "right": (2, None), "top": (None, 0), "bottom": (None, 2), "center": (1, 1),
    "upper left": (0, 0), "upper right": (2, 0), "lower left": (0, 2), "lower right": (2, 2),
    "upper middle": (1, 0), "lower middle": (1, 2), "middle left": (0, 1), "middle right": (2, 1),
}  # fmt: skip
"""Column and row in the 3 × 3 grid over the image; None: any."""

DIRECTIONS: dict[Direction, float] = {
    "right": 0.0, "lower right": 45.0, "below": 90.0, "lower left": 135.0,
    "left": 180.0, "upper left": 225.0, "above": 270.0, "upper right": 315.0,
}  # fmt: skip
"""Angle in degrees from the image's x axis towards its y axis (which points down)."""

SIDES: tuple[Side, ...] = ("left", "right", "top", "bottom")


@dataclass(frozen=True, slots=True)
class Rank:
    """The n-th of all that satisfy the rest of the expression, in some order."""

    kind: RankKind
    n: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A referring expression: every field that is set must hold of the region.

    Attributes:
        category: the category, or one of its ancestors.
        colour: colour of most of its pixels, a name of `geovec_data.expressions.colour.COLOURS`.
        size: against the usual size of its category in the scene.
        attributes: pairs from `Region.attributes`.
        place: where in the image its centre lies.
        edge: the side of the image that it touches.
        direction: where its centre lies as seen from the anchor's.
        anchor: another region of the scene, by its own expression.
        nearest: it is the nearest to the anchor of all that satisfy the fields above.
        rank: its rank among all that satisfy the fields above.
        count: how many satisfy the fields above, when the wording says so ("the only", "of the two").
    """

    category: str
    colour: str | None = None
    size: Size | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    place: Place | None = None
    edge: Side | None = None
    direction: Direction | None = None
    anchor: Expression | None = None
    nearest: bool = False
    rank: Rank | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if (self.anchor is None) == (self.direction is not None or self.nearest):
            raise ValueError("an anchor needs a relation to it, and a relation needs an anchor")
        if self.nearest and self.rank:
            raise ValueError("one superlative at a time")
