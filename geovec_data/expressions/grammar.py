"""English for structured expressions: one table of phrases, from which `render` writes and `parse` reads.

    the [only | n-th] [superlative] [size] [state] [colour] noun [from the side] [edge] [place] [relation, anchor]

Whatever follows an anchor's noun belongs to the anchor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from geovec_data.expressions import model as m
from geovec_data.expressions.model import Expression
from geovec_data.words import plural

# Every phrase has one meaning; those of one meaning are equally good.
SIZES: dict[m.Size, tuple[str, ...]] = {"large": ("large", "big"), "small": ("small",)}
SUPERLATIVES: dict[m.RankKind, tuple[str, ...]] = {
    "largest": ("largest", "biggest"), "smallest": ("smallest",), "leftmost": ("leftmost",),
    "rightmost": ("rightmost",), "topmost": ("topmost", "uppermost"), "bottommost": ("bottommost",),
    "isolated": ("most isolated",),
}  # fmt: skip
COMPARATIVES: dict[m.RankKind, tuple[str, ...]] = {  # the first of two
    "largest": ("larger of the two", "bigger of the two"), "smallest": ("smaller of the two",),
    "leftmost": ("left one of the two",), "rightmost": ("right one of the two",),
    "topmost": ("upper one of the two",), "bottommost": ("lower one of the two",),
}  # fmt: skip
COUNTED_FROM: dict[m.RankKind, tuple[str, ...]] = {
    "leftmost": ("from the left",), "rightmost": ("from the right",),
    "topmost": ("from the top",), "bottommost": ("from the bottom",),
}  # fmt: skip
ORDINALS: dict[int, tuple[str, ...]] = {2: ("second",), 3: ("third",)}


def _corner(name: str) -> tuple[str, ...]:
    return f"in the {name}", f"in the {name} of the image", f"in the {name} part of the image"


PLACES: dict[m.Place, tuple[str, ...]] = {
    "left": ("on the left", "on the left side of the image", "in the left part of the image"),
    "right": ("on the right", "on the right side of the image", "in the right part of the image"),
    "top": ("at the top", "in the upper part of the image"),
    "bottom": ("at the bottom", "in the lower part of the image"),
    "center": ("in the center", "in the middle of the image"),
    "upper left": _corner("upper left"), "upper right": _corner("upper right"),
    "lower left": _corner("lower left"), "lower right": _corner("lower right"),
    "upper middle": ("in the upper middle", "at the top center of the image"),
    "lower middle": ("in the lower middle", "at the bottom center of the image"),
    "middle left": ("in the middle left", "halfway down the left side of the image"),
    "middle right": ("in the middle right", "halfway down the right side of the image"),
}  # fmt: skip
EDGES: dict[m.Side, tuple[str, ...]] = {
    side: (f"touching the {side} edge", f"at the {side} edge of the image") for side in m.SIDES
}
DIRECTIONS: dict[m.Direction, tuple[str, ...]] = {
    "left": ("to the left of",), "right": ("to the right of",), "above": ("above",), "below": ("below",),
    "upper left": ("to the upper left of",), "upper right": ("to the upper right of",),
    "lower left": ("to the lower left of",), "lower right": ("to the lower right of",),
}  # fmt: skip
NEAREST = ("closest to", "nearest to")
STATES = ("condition", "health", "material", "state", "status", "surface")
"""Attributes that imagery can show and whose value is an adjective: only these are put into words."""

Pick = Callable[[Sequence[str]], str]


def render(expression: Expression, pick: Pick) -> str:
    """Put an expression into words.

    Args:
        expression: what to say; its attributes are among `STATES`.
        pick: chooses among phrases of one meaning, for example ``random.Random(seed).choice``.
    """
    return _phrase(expression, pick, brief=False)


def _phrase(e: Expression, pick: Pick, *, brief: bool) -> str:
    brief = brief or e.anchor is not None or bool(e.edge and e.place)  # one "of the image" is enough
    where: Pick = (lambda phrases: phrases[0]) if brief else pick
    adjectives = [*([pick(SIZES[e.size])] if e.size else []), *(v for _, v in e.attributes), *filter(None, [e.colour])]
    noun = [*adjectives, e.category]
    located = bool(e.edge or e.place)
    nearest_first = e.nearest and e.direction is not None and not located and pick(("nearest", "just")) == "nearest"
    if e.rank is not None:
        kind, n = e.rank.kind, e.rank.n
        if e.count == 2:
            words = [pick(COMPARATIVES[kind]), *adjectives, plural(e.category)]
        elif n == 1:
            words = [pick(SUPERLATIVES[kind]), *noun]
        elif kind in COUNTED_FROM:
            words = [pick(ORDINALS[n]), *noun, pick(COUNTED_FROM[kind])]
        else:
            words = [pick(ORDINALS[n]), pick(SUPERLATIVES[kind]), *noun]
    elif e.count == 1:
        words = ["only", *noun]
    else:
        words = [*(["nearest"] if nearest_first else []), *noun]
    if e.edge:
        words.append(where(EDGES[e.edge]))
    if e.place:
        words.append(where(PLACES[e.place]))
    if e.anchor is not None:
        if e.direction is None:
            words.append(pick(NEAREST))
        else:
            words += [*(["just"] if e.nearest and not nearest_first else []), pick(DIRECTIONS[e.direction])]
        words.append(_phrase(e.anchor, pick, brief=brief))
    return " ".join(["the", *words])
