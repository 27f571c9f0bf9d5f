"""Mine one task: search, judge, search deeper where an example comes up short, choose, write; block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data.mining.block import Block, Candidates, Positive
from geovec_data.mining.cache import Stored
from geovec_data.mining.config import MineConfig
from geovec_data.mining.facts import Facts
from geovec_data.mining.items import Bools, Ints
from geovec_data.mining.output import RowWriter
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.policy import RULE_NAMES, Said, counts, dropped_by, judge, promoted, stays
from geovec_data.mining.scope import Anchors
from geovec_data.mining.truth import Truth
from geovec_data.mining.words import Words

BLOCK = 8192  # most examples at a time
_BLOCK_SCORES = 1 << 33  # and most scores, so that progress is seen every minute whatever the pool
_DEEPER = 4  # times the depth, when the policy leaves too few
_DEEP_CELLS = 8 << 20  # candidates held at once in a deeper search
_RULES = pa.array(RULE_NAMES)
_KINDS = pa.array(["hard", "region"])


class Scope(Protocol):
    """Where candidates come from (`geovec_data.mining.scope`)."""

    examples: Ints

    def sizes(self, examples: Ints) -> Ints:
        """Return how many candidates each example has."""
        ...

    def search(self, examples: Ints, depth: int) -> Candidates:
        """Return the `depth` nearest candidates of each example."""
        ...


@dataclass(slots=True)
class Tally:
    """What mining a task came to.

    Attributes:
        examples: examples mined.
        candidates: candidates judged, drops among them.
        negatives: negative rows written, by kind.
        drops: candidates dropped, by rule; a candidate counts for the first rule that takes it.
        keeps: candidates that a rule kept.
        promotes: candidates that a rule promoted.
        deeper: examples that were searched deeper than asked.
        short: examples with fewer negatives than asked, by the number they have.
    """

    examples: int = 0
    candidates: int = 0
    negatives: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS.to_pylist(), 0))
    drops: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULE_NAMES, 0))
    keeps: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULE_NAMES, 0))
    promotes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULE_NAMES, 0))
    deeper: int = 0
    short: dict[int, int] = field(default_factory=dict)


class TaskMiner:
    """Mines one task of a plan.

    Args:
        plan: the task.
        facts: the dataset's columns.
        words: of its texts.
        anchors: what negatives must resemble.
        targets: vectors of ``plan.pool``, in its order.
        config: the run's options.
    """

    def __init__(
        self, plan: TaskPlan, facts: Facts, words: Words, anchors: Anchors, targets: Stored, config: MineConfig
    ) -> None:
        self._plan = plan
        self._items = items = facts.items
        self._anchors = anchors
        self._targets = targets
        self._config = config
        self._truth = Truth(plan, facts, words)
        self._pool_ids = items.ids.take(pa.array(plan.pool))
        self._run = pa.array([config.run])
        self.tally = Tally()

    def mine(self, scope: Scope, candidates: RowWriter, negatives: RowWriter, advance: Callable[[int], None]) -> None:
        """Mine the examples of a scope and write their rows; `advance` is told how many are done."""
        step = min(BLOCK, max(1024, _BLOCK_SCORES // len(self._plan.pool)))
        for start in range(0, len(scope.examples), step):
            examples = scope.examples[start : start + step]
            positive = self._positive_scores(examples)
            found, verdict = self._found(scope, examples, positive)
            self._write(examples, found, verdict, positive, candidates, negatives)
            advance(len(examples))

    def _positive_scores(self, examples: Ints) -> Positive:
        """Similarity of each example's least and most similar positive to its anchor."""
        vectors, own = self._anchors.vectors(examples)
        row, item = self._plan.positives.take(examples)
        rights = self._targets.rows(np.searchsorted(self._plan.pool, item))
        scores = np.einsum("ij,ij->i", vectors[own[row]], rights)
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        return Positive(np.minimum.reduceat(scores, starts), np.maximum.reduceat(scores, starts))

    def _judged(self, scope: Scope, examples: Ints, positive: Positive, depth: int) -> tuple[Candidates, Said]:
        found = scope.search(examples, depth)
        block = Block(
            candidates=found,
            group=self._truth.group(examples),
            query=self._plan.query[examples],
            positive=positive,
            truth=self._truth,
            config=self._config.policy,
        )
        return found, judge(block)

    def _found(self, scope: Scope, examples: Ints, positive: Positive) -> tuple[Candidates, Said]:
        """Search to the depth asked for; go on for those examples alone that are short and have more to look at."""
        depth = self._config.depth
        found, verdict = self._judged(scope, examples, positive, depth)
        pieces = [(found, verdict)]
        sizes = scope.sizes(examples)
        rows = np.flatnonzero(self._wants_more(found, verdict, len(examples)) & (sizes > depth))
        self.tally.deeper += len(rows)
        if len(rows):
            pieces = [_without(found, verdict, rows, len(examples))]
        while len(rows):
            depth = min(depth * _DEEPER, int(sizes[rows].max()))
            step = max(1, _DEEP_CELLS // depth)
            again = []
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                found, verdict = self._judged(scope, examples[some], positive.take(some), depth)
                more = np.flatnonzero(self._wants_more(found, verdict, len(some)) & (sizes[some] > depth))
                again.append(some[more])
                kept, said = _without(found, verdict, more, len(some))
                pieces.append((replace(kept, row=some[kept.row]), said))
            rows = np.concatenate(again)
        return _joined(pieces)

    def _wants_more(self, found: Candidates, verdict: Said, count: int) -> Bools:
        kept = np.bincount(found.row[stays(verdict)], minlength=count)
        wanting: Bools = kept < self._config.k
        if self._config.policy.min_score is not None:  # what lies deeper is less similar still
            wanting[found.row[found.score < self._config.policy.min_score]] = False
        return wanting

    def _write(
        self,
        examples: Ints,
        found: Candidates,
        verdict: Said,
        positive: Positive,
        candidates: RowWriter,
        negatives: RowWriter,
    ) -> None:
        names = self._plan.examples.take(pa.array(examples))
        kept = np.flatnonzero(stays(verdict))
        kept = kept[np.lexsort((~promoted(verdict[kept]), found.row[kept]))]
        order = _rank(found.row[kept], len(examples))
        chosen, order = kept[order < self._config.k], order[order < self._config.k]
        row = found.row[chosen]
        kind = self._kinds(examples[row], found.item[chosen])
        negatives.write(
            {
                "example": (names, row),
                "item": (self._pool_ids, found.place[chosen]),
                "rank": order,
                "score": found.score[chosen],
                "positive_score": positive.low[row],
                "kind": (_KINDS, kind),
                "run": (self._run, np.zeros(len(row), np.int32)),
            }
        )
        rank = _rank(found.row, len(examples))
        # of a deeper search only what was chosen is stored: it can have looked at the whole pool
        stored = rank < self._config.depth
        stored[chosen] = True
        shown = slice(None) if stored.all() else np.flatnonzero(stored)
        candidates.write(
            {
                "example": (names, found.row[shown]),
                "item": (self._pool_ids, found.place[shown]),
                "rank": rank[shown],
                "score": found.score[shown],
                "dropped_by": (_RULES, dropped_by(verdict[shown])),
            }
        )
        self._count(len(examples), found, verdict, row, kind)

    def _kinds(self, example: Ints, item: Ints) -> NDArray[np.int32]:
        """Tell hard (0) and region (1): a box of the example's own image, or the text of one."""
        out = np.zeros(len(item), np.int32)
        if self._truth.boxed:
            negative, face = self._truth.faces.take(item)
            own = self._items.image[face] == self._plan.image[example[negative]]
            out[negative[own & self._items.boxed[face]]] = 1
        return out

    def _count(self, examples: int, found: Candidates, verdict: Said, row: Ints, kind: NDArray[np.int32]) -> None:
        tally = self.tally
        tally.examples += examples
        tally.candidates += len(found.row)
        for name, count in zip(tally.negatives, np.bincount(kind, minlength=len(_KINDS)), strict=True):
            tally.negatives[name] += int(count)
        for into, said in zip((tally.drops, tally.keeps, tally.promotes), counts(verdict).values(), strict=True):
            for name, number in said.items():
                into[name] += number
        have = np.bincount(row, minlength=examples)
        for number, count in zip(*np.unique(have[have < self._config.k], return_counts=True), strict=True):
            tally.short[int(number)] = tally.short.get(int(number), 0) + int(count)


def _rank(row: Ints, count: int) -> NDArray[np.int32]:
    """Number the elements of each row from 0; rows ascend."""
    starts = np.searchsorted(row, np.arange(count))
    out: NDArray[np.int32] = (np.arange(len(row)) - starts[row]).astype(np.int32)
    return out


def _without(found: Candidates, verdict: Said, rows: Ints, count: int) -> tuple[Candidates, Said]:
    stays = np.ones(count, np.bool_)
    stays[rows] = False
    chosen = stays[found.row]
    return found.keep(chosen), verdict[chosen]


def _joined(pieces: list[tuple[Candidates, Said]]) -> tuple[Candidates, Said]:
    if len(pieces) == 1:
        return pieces[0]
    whole = Candidates(*(np.concatenate([getattr(c, f.name) for c, _ in pieces]) for f in fields(Candidates)))
    order = np.argsort(whole.row, kind="stable")
    return whole.keep(order), np.concatenate([v for _, v in pieces])[order]
