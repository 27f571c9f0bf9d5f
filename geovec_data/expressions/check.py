"""The checker: which regions of a scene a structured expression fits, whoever wrote it and for whichever region.

It is given no target. An expression is fit for use when exactly one region satisfies it and every other is
clearly ruled out; see the margins in `geovec_data.expressions.model`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geovec_data.expressions import model as m
from geovec_data.expressions.model import Expression, Rank
from geovec_data.expressions.truth import Floats, Predicates, Truth

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Matches:
    """What an expression fits.

    Attributes:
        certain: indices of the regions that satisfy it.
        possible: those, and the regions that could not be ruled out.
    """

    certain: tuple[int, ...]
    possible: tuple[int, ...]

    @property
    def only(self) -> int | None:
        """The region that it singles out, or None."""
        return self.certain[0] if len(self.certain) == 1 and self.certain == self.possible else None


NOTHING = Matches((), ())


class Checker:
    """Evaluates expressions against all regions of one scene.

    Args:
        predicates: the scene's regions, image size and pixel colours.
    """

    def __init__(self, predicates: Predicates) -> None:
        self._p = predicates
        self._anchors: dict[Expression, int | None] = {}

    def only(self, expression: Expression) -> int | None:
        """The index of the one region that the expression singles out, or None."""
        return self.matches(expression).only

    def matches(self, expression: Expression) -> Matches:
        """Evaluate an expression; nothing matches when a thing that it presupposes is not so.

        What counts ("the only", "of the two", "the third", or "the tree" and no more) or compares with all others
        presupposes that all of the category are labelled; but one that nobody labelled is seldom the largest.
        """
        anchor = None
        if expression.anchor is not None:
            anchor = self._anchor(expression.anchor)
            if anchor is None:
                return NOTHING
        truth = self._plain(expression, anchor)
        possible = np.flatnonzero(truth >= 0)
        if _needs_all(expression) and not self._p.is_whole(expression.category):
            return NOTHING
        if expression.count is not None and not (len(possible) == expression.count and (truth[possible] == 1).all()):
            return NOTHING
        if expression.nearest:
            assert anchor is not None
            return self._nearest(truth, possible, anchor)
        if expression.rank is not None:
            return self._ranked(truth, possible, expression.rank)
        return Matches(tuple(np.flatnonzero(truth == 1).tolist()), tuple(possible.tolist()))

    def _anchor(self, expression: Expression) -> int | None:
        if expression not in self._anchors:
            self._anchors[expression] = self.only(expression)
        return self._anchors[expression]

    def _plain(self, e: Expression, anchor: int | None) -> Truth:
        """Conjunction of all that is no superlative: as true as its least true part."""
        p = self._p
        truth = p.category(e.category).copy()
        parts = [p.attribute(k, v) for k, v in e.attributes]
        if e.colour:
            parts.append(p.colour(e.colour))
        if e.size:
            parts.append(p.large(e.size, e.category))
        if e.place:
            parts.append(p.place(e.place))
        if e.edge:
            parts.append(p.edge(e.edge))
        if anchor is not None:
            if e.direction:
                parts.append(p.direction(e.direction, anchor))
            truth[anchor] = -1  # nothing is beside itself
        for part in parts:
            np.minimum(truth, part, out=truth)
        return truth

    def _nearest(self, truth: Truth, possible: Indices, anchor: int) -> Matches:
        """The nearest by centre, by a clear lead, that is not farther by its outline either."""
        if len(possible) == 0:
            return NOTHING
        centre, gap = (d[possible] for d in self._p.distances(anchor))
        first = int(np.argmin(centre))
        others = np.arange(len(possible)) != first
        ahead = (centre[first] * m.DISTANCE_LEAD <= centre[others]) & (centre[others] > 0)  # all on the anchor: no lead
        clear = ahead.all() and (gap[first] <= gap[others]).all()
        return self._winner(truth, possible, first, bool(clear))

    def _ranked(self, truth: Truth, possible: Indices, rank: Rank) -> Matches:
        """The n-th in an order, clearly after those before it and clearly before the rest."""
        if len(possible) < max(2, rank.n):  # "the largest" presupposes others
            return NOTHING
        low, high = (values[possible] for values in self._order(rank))
        target = int(np.argsort(low, kind="stable")[rank.n - 1])
        before, after = self._leads(high, low[target], rank), self._leads(high[target], low, rank)
        others = np.arange(len(possible)) != target
        clear = int(before.sum()) == rank.n - 1 and bool((before | after)[others].all())
        if rank.n > 1:  # an undecided region before it would change the count
            clear &= bool((truth[possible[before]] == 1).all())
        elif rank.kind in _AXES:
            clear &= self._foremost(possible, target, rank)
        return self._winner(truth, possible, target, clear)

    def _order(self, rank: Rank) -> tuple[Floats, Floats]:
        """Lowest and highest value that each region may have; they rank by rising values."""
        p = self._p
        seen, whole = p.areas
        if rank.kind == "largest":
            return -whole, -seen
        if rank.kind == "smallest":
            return seen, whole
        if rank.kind == "isolated":
            return -p.solitude, -p.solitude
        axis, sign = _AXES[rank.kind]
        at = sign * p.centres[:, axis] / p.size[axis]
        return at, at

    @staticmethod
    def _leads(first: Floats, second: Floats, rank: Rank) -> npt.NDArray[np.bool_]:
        """Whether the first value comes clearly before the second."""
        if rank.kind in _AXES:
            return np.asarray(second - first >= m.GAP_LEAD)
        lead = m.DISTANCE_LEAD if rank.kind == "isolated" else m.AREA_LEAD
        return np.asarray(np.where(first < 0, -first >= lead * -second, first * lead <= second))

    def _foremost(self, possible: Indices, first: int, rank: Rank) -> bool:
        """The leftmost by its centre must reach no less far left than any other."""
        axis, sign = _AXES[rank.kind]
        reach = sign * self._p.boxes[possible, axis if sign > 0 else axis + 2]
        return bool(reach[first] <= reach.min())

    @staticmethod
    def _winner(truth: Truth, possible: Indices, index: int, clear: bool) -> Matches:
        winner = int(possible[index])
        if clear and truth[winner] == 1:
            return Matches((winner,), (winner,))
        return Matches((), tuple(possible.tolist()))


def _needs_all(e: Expression) -> bool:
    ranked = e.rank is not None and (e.rank.n > 1 or e.rank.kind != "largest")
    bare = not any((e.colour, e.size, e.attributes, e.place, e.edge, e.anchor, e.rank))
    return e.count is not None or e.nearest or ranked or bare


_AXES = {"leftmost": (0, 1), "rightmost": (0, -1), "topmost": (1, 1), "bottommost": (1, -1)}
