"""Mine one task: candidates of every kind asked for, judged, chosen and written; block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data.mining.ahead import ahead
from geovec_data.mining.block import Candidates, Floats, Positive
from geovec_data.mining.config import MineConfig
from geovec_data.mining.items import Bools, Ints
from geovec_data.mining.judging import Judge
from geovec_data.mining.output import RowWriter
from geovec_data.mining.policy import RULE_NAMES, Said, dropped_by, promoted, stays
from geovec_data.mining.scope import Scope, Source
from geovec_data.mining.similarity import Positives
from geovec_data.mining.tally import KINDS, Tally
from geovec_data.mining.truth import Truth

BLOCK = 8192  # most examples at a time
_BLOCK_SCORES = 1 << 33  # and most scores, so that progress is seen every minute whatever the pool
_FEW = 8  # candidates looked at first for each negative that chance or a place gives
_RULES = pa.array(RULE_NAMES)
_KINDS = pa.array(KINDS)
SOURCES = ("search", *KINDS[1:])
_SOURCES = pa.array(SOURCES)
_SEARCH = 0


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a run."""

    candidates: RowWriter
    negatives: RowWriter
    positive_scores: RowWriter

    def close(self) -> None:
        """Finish them."""
        for writer in (self.candidates, self.negatives, self.positive_scores):
            writer.close()


@dataclass(frozen=True, slots=True)
class _Judged:
    positive: Positive
    found: Candidates
    said: Said
    deeper: int
    second: Floats | None  # of a second model, where it is asked; candidates that it did not score come last


@dataclass(frozen=True, slots=True)
class _Chosen:
    found: Candidates
    kind: NDArray[np.int32]


class TaskMiner:
    """Mines one task of a plan.

    Args:
        truth: what is right in the task.
        positives: their scores.
        config: the run's options.
    """

    def __init__(self, truth: Truth, positives: Positives, config: MineConfig) -> None:
        self._truth = truth
        self._plan = truth.plan
        self._items = truth.items
        self._positives = positives
        self._config = config
        self._judge = Judge(truth, config.policy)
        # ranks and a least score are the search's: what a place or chance gives is not ranked
        unranked = {"min_rank": 0, "max_rank": None, "min_score": None}
        self._judge_others = Judge(truth, config.policy.model_copy(update=unranked))
        self._pool_ids = self._items.ids.take(pa.array(self._plan.pool))
        self._run = pa.array([config.run])
        quota = config.quota
        others = {"region": quota.region, "geo": quota.geo, "random": quota.random}
        self._wanted = {"hard": config.hard} | {k: n for k, n in others.items() if n or (k == "region" and n == 0)}
        self.tally = Tally()

    def mine(self, scope: Scope, others: Mapping[str, Source], files: Files, advance: Callable[[int], None]) -> None:
        """Mine the examples of a scope and write their rows.

        Args:
            scope: where similar candidates come from.
            others: where those of the kinds ``region``, ``geo`` and ``random`` come from.
            files: where rows go.
            advance: is told how many examples are done.
        """
        for examples, judged in ahead(partial(self._judged, scope), blocks(scope, len(self._plan.pool))):
            names = self._plan.examples.take(pa.array(examples))
            every = np.arange(len(examples))
            positive = judged.positive
            files.positive_scores.write({"example": (names, every), "low": positive.low, "high": positive.high})
            chosen = [self._similar(judged, examples, names, files)]
            for kind, wanted in self._wanted.items():
                if kind != "hard" and wanted and kind in others:
                    chosen.append(self._other(kind, others[kind], examples, positive, names, files, chosen))
            self._write(chosen, positive, len(examples), names, files)
            advance(len(examples))

    def _judged(self, scope: Scope, examples: Ints) -> _Judged:
        positive = self._positives.positive(examples)
        usable = {"usable": self._elsewhere} if "region" in self._wanted else {}
        wanted, depth = self._wanted["hard"], self._config.depth
        found, said, deeper = self._judge.found(scope, examples, positive, depth, wanted, **usable)
        return _Judged(positive, found, said, deeper, self._judge.second(examples, found, said))

    def _similar(self, judged: _Judged, examples: Ints, names: pa.StringArray, files: Files) -> _Chosen:
        wanted, found, said = self._wanted["hard"], judged.found, judged.said
        self.tally.deeper += judged.deeper
        kept = np.flatnonzero(stays(said))
        order: tuple[NDArray[Any], ...] = (~promoted(said[kept]), found.row[kept])
        if judged.second is not None:
            order = (-judged.second[kept], *order)
        kept = kept[np.lexsort(order)]
        kinds = self._region(examples[found.row[kept]], found.item[kept])
        if "region" in self._wanted:
            kept, kinds = kept[~kinds], kinds[~kinds]
        first = _rank(found.row[kept], len(examples)) < wanted
        kept, kinds = kept[first], kinds[first]
        self._store(_SEARCH, found, said, kept, names, files)
        return _Chosen(found.keep(kept), kinds.astype(np.int32))

    def _other(
        self,
        kind: str,
        scope: Source,
        examples: Ints,
        positive: Positive,
        names: pa.StringArray,
        files: Files,
        before: list[_Chosen],
    ) -> _Chosen:
        wanted = self._wanted[kind]
        taken = sum(self._wanted.values()) - wanted  # so many can be those of other kinds
        found, said, _ = self._judge_others.found(
            scope, examples, positive, _FEW * wanted, wanted + (taken if before else 0)
        )
        width = len(self._plan.pool)
        there = np.concatenate([c.found.row * width + c.found.place for c in before])
        fresh = ~np.isin(found.row * width + found.place, there)
        kept = np.flatnonzero(stays(said) & fresh)
        kept = kept[_rank(found.row[kept], len(examples)) < wanted]
        self._store(SOURCES.index(kind), found, said, kept, names, files)
        return _Chosen(found.keep(kept), np.full(len(kept), KINDS.index(kind), np.int32))

    def _store(
        self, source: int, found: Candidates, said: Said, chosen: Ints, names: pa.StringArray, files: Files
    ) -> None:
        rank = _rank(found.row, len(names))
        # of a deeper search only what was chosen is stored: it can have looked at the whole pool
        stored = rank < self._config.depth
        stored[chosen] = True
        shown = slice(None) if stored.all() else np.flatnonzero(stored)
        files.candidates.write(
            {
                "example": (names, found.row[shown]),
                "item": (self._pool_ids, found.place[shown]),
                "source": (_SOURCES, np.full(len(rank), source, np.int32)[shown]),
                "rank": rank[shown],
                "score": found.score[shown],
                "dropped_by": (_RULES, dropped_by(said[shown])),
            }
        )
        self.tally.judged(said)

    def _write(
        self, chosen: list[_Chosen], positive: Positive, examples: int, names: pa.StringArray, files: Files
    ) -> None:
        row = np.concatenate([c.found.row for c in chosen])
        order = np.argsort(row, kind="stable")  # within an example: hard, region, geo, random
        row = row[order]
        kind = np.concatenate([c.kind for c in chosen])[order]
        files.negatives.write(
            {
                "example": (names, row),
                "item": (self._pool_ids, np.concatenate([c.found.place for c in chosen])[order]),
                "rank": _rank(row, examples),
                "score": np.concatenate([c.found.score for c in chosen])[order],
                "positive_score": positive.low[row],
                "kind": (_KINDS, kind),
                "run": (self._run, np.zeros(len(row), np.int32)),
            }
        )
        self.tally.chosen(row, kind, examples, self._wanted)

    def _elsewhere(self, examples: Ints, found: Candidates) -> Bools:
        out: Bools = ~self._region(examples[found.row], found.item)
        return out

    def _region(self, example: Ints, item: Ints) -> Bools:
        """Tell which are a box of the example's own image, or the text of one."""
        out = np.zeros(len(item), np.bool_)
        if self._truth.boxed:
            negative, face = self._truth.faces.take(item)
            own = self._items.image[face] == self._plan.image[example[negative]]
            out[negative[own & self._items.boxed[face]]] = True
        return out


def blocks(scope: Scope, pool: int) -> Iterator[Ints]:
    """Yield the examples of a scope in the blocks in which they are searched."""
    step = min(BLOCK, max(1024, _BLOCK_SCORES // pool))
    for start in range(0, len(scope.examples), step):
        yield scope.examples[start : start + step]


def _rank(row: Ints, count: int) -> NDArray[np.int32]:
    """Number the elements of each row from 0; rows ascend."""
    starts = np.searchsorted(row, np.arange(count))
    out: NDArray[np.int32] = (np.arange(len(row)) - starts[row]).astype(np.int32)
    return out
