"""Search and judge; deeper for those examples alone that come up short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np

from geovec_data.mining.block import Block, Candidates, Floats, Positive
from geovec_data.mining.items import Bools, Ints
from geovec_data.mining.policy import Said, judge, reached, stays
from geovec_data.mining.policy_config import PolicyConfig
from geovec_data.mining.rules.rescore import first
from geovec_data.mining.scope import Source
from geovec_data.mining.truth import Truth

Usable = Callable[[Ints, Candidates], Bools]

_DEEPER = 4  # times the depth, when the policy leaves too few
_DEEP_CELLS = 8 << 20  # candidates held at once in a deeper search


def _all(examples: Ints, found: Candidates) -> Bools:
    return np.ones(len(found.row), np.bool_)


class Judge:
    """The policy over the candidates of one task.

    Args:
        truth: what is right in the task.
        policy: its options.
    """

    def __init__(self, truth: Truth, policy: PolicyConfig) -> None:
        self._truth = truth
        self._policy = policy

    def _judged(self, scope: Source, examples: Ints, positive: Positive, depth: int) -> tuple[Candidates, Said]:
        found = scope.search(examples, depth)
        group, query = self._truth.group(examples), self._truth.plan.query[examples]
        return found, judge(Block(found, group, query, positive, self._truth, self._policy, examples))

    def found(
        self, scope: Source, examples: Ints, positive: Positive, depth: int, wanted: int, usable: Usable = _all
    ) -> tuple[Candidates, Said, int]:
        """Search to a depth; go on for those examples alone that are short and have more to look at.

        Args:
            scope: what is searched.
            examples: the examples.
            positive: their positives' scores.
            depth: candidates of each example that are looked at first.
            wanted: how many of each must be left.
            usable: tells which candidates count for that.

        Returns:
            The candidates, what was said of each, and how many examples were searched deeper.
        """
        found, said = self._judged(scope, examples, positive, depth)
        pieces = [(found, said)]
        sizes = scope.sizes(examples)
        rows = np.flatnonzero(self._wants_more(found, said, examples, wanted, usable) & (sizes > depth))
        deeper = len(rows)
        if len(rows):
            pieces = [_without(found, said, rows, len(examples))]
        while len(rows):
            depth = min(depth * _DEEPER, int(sizes[rows].max()))
            step = max(1, _DEEP_CELLS // depth)
            again = []
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                found, said = self._judged(scope, examples[some], positive.take(some), depth)
                more = np.flatnonzero(
                    self._wants_more(found, said, examples[some], wanted, usable) & (sizes[some] > depth)
                )
                again.append(some[more])
                kept, told = _without(found, said, more, len(some))
                pieces.append((replace(kept, row=some[kept.row]), told))
            rows = np.concatenate(again)
        return *_joined(pieces), deeper

    def second(self, examples: Ints, found: Candidates, said: Said) -> Floats | None:
        """Return what the second model says of those that stay and it was asked about; -inf for the others."""
        if self._truth.second is None:
            return None
        out = np.full(len(found.row), -np.inf, np.float32)
        asked = np.flatnonzero(reached(said, "rescore"))
        asked = asked[first(found.row[asked], self._policy.rescore_depth)]
        asked = asked[stays(said[asked])]
        out[asked] = self._truth.second.scores(examples, found.row[asked], found.place[asked])
        return out

    def _wants_more(self, found: Candidates, said: Said, examples: Ints, wanted: int, usable: Usable) -> Bools:
        kept = np.bincount(found.row[stays(said) & usable(examples, found)], minlength=len(examples))
        wanting: Bools = kept < wanted
        if self._policy.min_score is not None:  # what lies deeper is less similar still
            wanting[found.row[found.score < self._policy.min_score]] = False
        if self._policy.max_rank is not None:  # or ranks beyond
            wanting &= kept < self._policy.max_rank - self._policy.min_rank
        return wanting


def _without(found: Candidates, said: Said, rows: Ints, count: int) -> tuple[Candidates, Said]:
    left = np.ones(count, np.bool_)
    left[rows] = False
    chosen = left[found.row]
    return found.keep(chosen), said[chosen]


def _joined(pieces: list[tuple[Candidates, Said]]) -> tuple[Candidates, Said]:
    if len(pieces) == 1:
        return pieces[0]
    whole = Candidates(*(np.concatenate([getattr(c, f.name) for c, _ in pieces]) for f in fields(Candidates)))
    order = np.argsort(whole.row, kind="stable")
    return whole.keep(order), np.concatenate([v for _, v in pieces])[order]
