"""Scenes whose labels are a map's: what one shows, and what it is known not to show, stand in its attributes.

A map is not complete, so a scene without a label of something may yet have it, and only a kind of thing that the map
knows completely enough around the scene (`geovec_data.osm.completeness`, level in the attribute ``map_level``) is
called lacking. A change of one kind is made only between scenes of which each shows it or is known to lack it, and
which otherwise show the same, those kinds included that no map has completely (``map_also``: trees, parks). Where both
show the kind the change may be that of its amount: one, a few, a dozen and so on (``map_amount``), said where the map
knows them all and nobody would say another of these words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, get_args

SHOWS, ALSO, LACKS, LEVEL, AMOUNT = "map_shows", "map_also", "map_lacks", "map_level", "map_amount"
STATED = "map_stated"  # a tag key that is not measured to be completely mapped there, but stated by the user to be

Amount = Literal["one", "few", "half a dozen", "dozen", "twenty", "dozens"]
AMOUNTS: tuple[Amount, ...] = get_args(Amount)
_RANGE: dict[Amount, tuple[int, float]] = {  # things surely there
    "one": (1, 1), "few": (2, 4), "half a dozen": (5, 7), "dozen": (10, 14), "twenty": (18, 22),
    "dozens": (30, math.inf),
}  # fmt: skip
_SLACK = 1.25  # so many times the most with what may be one


def amount_of(surely: int, at_most: int) -> Amount | None:
    """Say how many there are in a word; None where another would do as well.

    Args:
        surely: things that anybody counts.
        at_most: those, and what may be one: cut off by the image's edge.
    """
    for amount, (least, most) in _RANGE.items():
        if least <= surely <= most:
            return amount if at_most <= _SLACK * most else None
    return None


def amount_pair(noun: str, amount: Amount) -> tuple[str, str]:
    """Write an amount as an attribute: ``("map_amount", "building=dozens")``."""
    return AMOUNT, f"{noun}={amount}"


def amounts(pairs: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Read (noun, amount) from a scene's attributes."""
    return frozenset((v.split("=")[0], v.split("=")[1]) for k, v in pairs if k == AMOUNT)


def facts(pairs: Iterable[tuple[str, str]]) -> tuple[frozenset[str], frozenset[str]] | None:
    """Read what a scene shows and lacks from its attributes; None where its labels are no map's."""
    found = list(pairs)
    if not any(key == LEVEL for key, _ in found):
        return None
    return frozenset(v for k, v in found if k in (SHOWS, ALSO)), frozenset(v for k, v in found if k == LACKS)
