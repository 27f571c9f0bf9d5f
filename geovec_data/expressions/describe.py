"""Proposes expressions from the facts of a scene's regions; the checker decides which of them hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np

from geovec_data.expressions import model as m
from geovec_data.expressions.check import Checker
from geovec_data.expressions.colour import COLOURS
from geovec_data.expressions.grammar import COMPARATIVES, STATES, SUPERLATIVES
from geovec_data.expressions.model import Expression, Rank
from geovec_data.expressions.truth import Predicates

Style = Literal["plain", "pair", "rank", "ordinal", "neighbour", "direction"]

_ANCHORS = 6  # nearest describable regions that a region is related to: farther ones are not "neighbours"
_REACH = 0.25  # of the image's diagonal: no region is called "the nearest" from farther away
_LONGEST = 3  # facts told of a region and its anchor together, beyond their categories and the relation
_LONGEST_UNSURE = 2  # facts told where not all of the category are labelled, one less beside an anchor


@dataclass(frozen=True, slots=True)
class Proposal:
    """An expression that the checker has found to single out one region.

    Attributes:
        expression: the expression.
        style: the kind of its construction.
    """

    expression: Expression
    style: Style


class Describer:
    """Finds, for every region of a scene, expressions that single it out.

    The cost is a fixed number of expressions per category plus a fixed number per region, each checked in one
    pass over the regions: quadratic in their number.
    """

    def __init__(self, predicates: Predicates, checker: Checker) -> None:
        self._p = predicates
        self._checker = checker
        self.found: dict[int, list[Proposal]] = defaultdict(list)

    def run(self) -> dict[int, list[Proposal]]:
        """Return the proposals of each region that has any.

        Regions that nothing simple singles out are then looked for with longer ones.
        """
        own = self._p.regions[: self._p.own]
        bases = {c: self._bases(c) for c in sorted({r.category for r in own})}
        for base in bases.values():
            self._by_itself(base)
        anchors = {i: _shortest(found) for i, found in self.found.items()}
        short = {i: e for i, e in anchors.items() if length(e) <= 1}
        everyone = range(len(own))
        self._by_neighbour({i: [Expression(category=own[i].category)] for i in everyone}, short, _ANCHORS)
        if len(self.found) < len(everyone):
            for base in bases.values():
                for e in base.pairs:
                    self._ranks(e, ordinals=False)
            left = [i for i in everyone if i not in self.found]
            self._by_neighbour({i: self._all_said(i, bases[own[i].category]) for i in left}, anchors, 2 * _ANCHORS)
        return self.found

    def _try(self, expression: Expression, style: Style) -> None:
        if length(expression) > _LONGEST_UNSURE and not self._p.is_whole(expression.category):
            return
        target = self._checker.only(expression)
        if target is not None:
            self.found[target].append(Proposal(expression, style))

    def _bases(self, category: str) -> _Bases:
        """What can be said of some region of the category without an anchor and without ranking."""
        plain = Expression(category=category)
        adjectives = [replace(plain, **change) for change in self._adjectives(category)]
        places = [replace(plain, place=p) for p in m.PLACES if (self._p.place(p) == 1).any()]
        edges = [replace(plain, edge=s) for s in m.SIDES if (self._p.edge(s) == 1).any()]
        pairs = [replace(a, place=b.place, edge=b.edge) for a, b in product(adjectives, [*places, *edges])]
        pairs += [replace(a, place=b.place) for a, b in product(edges, places) if not _same_side(a.edge, b.place)]
        return _Bases([plain, *adjectives, *places, *edges], pairs)

    def _by_itself(self, bases: _Bases) -> None:
        """Expressions without an anchor: what the region is, where it lies, how it ranks."""
        for e in bases.singles:
            self._try(e, "plain")
            self._ranks(e, ordinals=not e.size)
        for e in bases.pairs:
            self._try(e, "pair")

    def _all_said(self, index: int, bases: _Bases) -> list[Expression]:
        """The bases that hold of a region."""
        return [e for e in bases.singles if index in self._checker.matches(e).certain]

    def _adjectives(self, category: str) -> Iterator[dict[str, Any]]:
        of_it = self._p.category(category) == 1
        for colour in COLOURS:
            truth = self._p.colour(colour)[of_it]
            if (truth == 1).any() and (len(truth) == 1 or (truth != 1).any()):  # a colour that all have says nothing
                yield {"colour": colour}
        for size in ("large", "small"):
            if (self._p.large(size, category)[of_it] == 1).any():
                yield {"size": size}
        regions = [r for r, is_it in zip(self._p.regions, of_it, strict=True) if is_it]
        for pair in sorted({pair for r in regions for pair in r.attributes if pair[0] in STATES}):
            yield {"attributes": (pair,)}

    def _ranks(self, base: Expression, *, ordinals: bool) -> None:
        for kind in SUPERLATIVES:
            if _same_side(_SIDE.get(kind), base.place, base.edge):
                continue
            if base.size and kind in ("largest", "smallest"):
                continue
            if kind == "isolated" and (base.colour or base.size or base.edge):  # it lies apart from all others
                continue
            if kind in COMPARATIVES:
                self._try(replace(base, rank=Rank(kind), count=2), "rank")
            self._try(replace(base, rank=Rank(kind)), "rank")
            if ordinals and kind != "isolated":
                for n in range(2, m.MAX_RANK + 1):
                    self._try(replace(base, rank=Rank(kind, n)), "ordinal")

    def _by_neighbour(self, targets: dict[int, list[Expression]], anchors: dict[int, Expression], count: int) -> None:
        """Expressions by a region nearby, for each target with what may be said of the target itself."""
        reach = _REACH * float(np.hypot(*self._p.size))
        known = np.array(sorted(anchors), dtype=int)
        for i, bases in targets.items():
            distance = np.hypot(*(self._p.centres[known] - self._p.centres[i]).T)
            near = [int(known[j]) for j in np.argsort(distance, kind="stable") if distance[j] <= reach]
            for anchor in [a for a in near if a != i][:count]:
                directions = [d for d in m.DIRECTIONS if self._p.direction(d, anchor)[i] == 1]
                for base in bases:
                    longest = _LONGEST if self._p.is_whole(base.category) else _LONGEST_UNSURE - 1
                    if length(base) + length(anchors[anchor]) > longest or (base.place and anchors[anchor].place):
                        continue
                    self._relate(i, replace(base, anchor=anchors[anchor], nearest=True), directions)

    def _relate(self, target: int, nearest: Expression, directions: list[m.Direction]) -> None:
        tried: list[tuple[Expression, Style]] = [(nearest, "neighbour")]
        for name in directions:
            tried.append((replace(nearest, direction=name, nearest=False), "direction"))
            tried.append((replace(nearest, direction=name), "neighbour"))
        for expression, style in tried:
            if self._checker.only(expression) == target:
                self.found[target].append(Proposal(expression, style))


@dataclass(frozen=True, slots=True)
class _Bases:
    """Expressions without anchor and rank: with at most one fact, and with two."""

    singles: list[Expression]
    pairs: list[Expression]


def _shortest(proposals: list[Proposal]) -> Expression:
    """The expression that serves best as an anchor; not "the larger of the two": its neighbour is the other one."""
    return min((p.expression for p in proposals), key=lambda e: (e.count is not None, length(e)))


def length(e: Expression) -> int:
    """How many facts an expression tells beyond categories and relations; an ordinal counts for two."""
    rank = 0 if e.rank is None else 1 if e.rank.n == 1 else 2
    own = rank + sum(map(bool, (e.colour, e.size, e.attributes, e.place, e.edge)))
    return own + (length(e.anchor) if e.anchor else 0)


_SIDE: dict[m.RankKind, m.Side] = {"leftmost": "left", "rightmost": "right", "topmost": "top", "bottommost": "bottom"}


_AXIS = {"left": {"left", "right"}, "right": {"left", "right"}, "top": {"top", "upper", "bottom", "lower"}}
_AXIS["bottom"] = _AXIS["top"]


def _same_side(side: m.Side | None, *others: str | None) -> bool:
    """Whether a place or an edge speaks of the side's axis too ("the leftmost tree on the left")."""
    return side is not None and any(_AXIS[side] & set((o or "").split()) for o in others)
