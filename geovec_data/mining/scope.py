"""Candidates of a block of examples: the nearest of their pool: the split's, their scene's or their kind's answers."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from threading import Lock
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data.mining.block import Candidates
from geovec_data.mining.cache import EmbeddingStore
from geovec_data.mining.items import NONE, Ints, Items, Lists, spread
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.search.corpus import Searcher
from geovec_data.mining.search.pieces import Found, Pieces
from geovec_data.mining.stored_corpus import Stored

Floats = NDArray[np.float32]

_GROUP_PAIRS = 4 << 20  # scores of (example, candidate) pairs at once


class Anchors(Protocol):
    """What candidates must resemble."""

    def vectors(self, examples: Ints) -> tuple[Floats, Ints]:
        """Return distinct unit vectors, and for each example the number of its own."""
        ...


class QueryAnchors:
    """Candidates must resemble the example's query."""

    def __init__(self, plan: TaskPlan, items: Items, store: EmbeddingStore) -> None:
        self._query = plan.query
        self._store = store
        distinct, self._number = np.unique(plan.query, return_inverse=True)
        self._places = store.locate(items.ids.take(pa.array(distinct)))

    def vectors(self, examples: Ints) -> tuple[Floats, Ints]:
        """See `Anchors.vectors`."""
        used, own = np.unique(self._number[examples], return_inverse=True)
        return self._store.take(self._places[used]), own


class PositiveAnchors:
    """Candidates must resemble the example's positives: the normalised mean of their vectors."""

    def __init__(self, plan: TaskPlan, targets: Stored) -> None:
        self._positives = plan.positives
        self._pool = plan.pool
        self._targets = targets

    def vectors(self, examples: Ints) -> tuple[Floats, Ints]:
        """See `Anchors.vectors`."""
        row, item = self._positives.take(examples)
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        summed = np.add.reduceat(self._targets.rows(np.searchsorted(self._pool, item)), starts, axis=0)
        # opposite vectors can cancel; such an example is then near nothing, which is true
        norms = np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return summed / norms, np.arange(len(examples))


class Source(Protocol):
    """Where candidates come from."""

    def sizes(self, examples: Ints) -> Ints:
        """Return how many candidates each example has."""
        ...

    def search(self, examples: Ints, depth: int) -> Candidates:
        """Return the first `depth` candidates of each example."""
        ...


class Scope(Source, Protocol):
    """A source with the examples that are ranked among its candidates."""

    examples: Ints


class Pooled(Scope, Protocol):
    """A scope whose candidates can be numbered."""

    def at(self, examples: Ints, position: Ints) -> Ints:
        """Return the place in the task's pool of a candidate of each example, by its number."""
        ...


class SplitScope:
    """Every target item of the task in the split.

    Args:
        plan: the task.
        anchors: what candidates must resemble.
        targets: vectors of ``plan.pool``, in its order.
        search: searches them.
        pieces: where the outcome of searches to the depth `kept` is kept until the run ends; None: nowhere.
        kept: the run's depth; deeper searches, of few examples, are not kept.
    """

    def __init__(
        self,
        plan: TaskPlan,
        anchors: Anchors,
        targets: Stored,
        search: Searcher,
        pieces: Pieces | None = None,
        kept: int = 0,
    ) -> None:
        self.examples: Ints = np.flatnonzero(~plan.in_scene & (plan.answer_set == NONE))
        self._task = plan.task
        self._pool = plan.pool
        self._anchors = anchors
        self._targets = targets
        self._search = search
        self._pieces = pieces
        self._kept = kept
        self._one = Lock()  # a search has all cores, or the device, for itself

    def sizes(self, examples: Ints) -> Ints:
        """Return how many candidates each example has."""
        return np.full(len(examples), len(self._pool))

    def at(self, examples: Ints, position: Ints) -> Ints:
        """See `Pooled.at`."""
        return position

    def search(self, examples: Ints, depth: int) -> Candidates:
        """Return the `depth` nearest candidates of each example."""
        vectors, own = self._anchors.vectors(examples)
        if self._pieces and depth == self._kept:
            kept = self._piece(self._pieces, vectors, examples, depth)
            assert kept is not None  # only a helper leaves blocks to others
            scores, found = kept
        else:
            scores, found = self._searched(vectors, depth)
        if len(own) != len(scores) or not np.array_equal(own, np.arange(len(own))):
            scores, found = scores[own], found[own]
        row = np.repeat(np.arange(len(examples)), scores.shape[1])
        return Candidates(row, found.ravel(), self._pool[found.ravel()], scores.ravel())

    def help(self, examples: Ints) -> None:
        """Search a block of another process's run, unless it is searched already or somebody is at it."""
        if self._pieces:
            self._piece(self._pieces, self._anchors.vectors(examples)[0], examples, self._kept)

    def _piece(self, pieces: Pieces, vectors: Floats, examples: Ints, depth: int) -> Found | None:
        name = hashlib.sha256(examples.astype("<i8").tobytes()).hexdigest()[:24]
        return pieces.get(f"{self._task}-{name}", lambda: self._searched(vectors, depth))

    def _searched(self, vectors: Floats, depth: int) -> Found:
        with self._one:
            return self._search.search(vectors, depth)


class GroupScope:
    """The items of the example's own group alone: of its scene, or among the answers to its kind of question.

    Args:
        plan: the task.
        items: the items' columns.
        anchors: what candidates must resemble.
        store: vectors of the targets.
        group: group of each example, or -1 for an example of another scope.
        members: places in ``plan.pool`` by group; a place can stand in several.
    """

    def __init__(
        self, plan: TaskPlan, items: Items, anchors: Anchors, store: EmbeddingStore, group: Ints, members: Lists
    ) -> None:
        self._order = members.values
        self._pool = plan.pool
        self._corpus = Stored(store, items.ids.take(pa.array(plan.pool[self._order])))
        self._group = group
        self._begin, self._end = members.starts[group], members.starts[group + 1]
        chosen = np.flatnonzero(group != NONE)
        self.examples: Ints = chosen[np.argsort(group[chosen], kind="stable")]  # group by group
        self._anchors = anchors

    @classmethod
    def of_scenes(cls, plan: TaskPlan, items: Items, anchors: Anchors, store: EmbeddingStore) -> GroupScope:
        """The target items of the example's own image."""
        shown = items.image[plan.pool].astype(np.int64)
        places = np.flatnonzero(shown != NONE)
        members = Lists.of(shown[places], places, int(max(shown.max(initial=NONE), plan.image.max(initial=NONE))) + 1)
        return cls(plan, items, anchors, store, np.where(plan.in_scene, plan.image, NONE).astype(np.int64), members)

    @classmethod
    def of_answers(cls, plan: TaskPlan, items: Items, anchors: Anchors, store: EmbeddingStore) -> GroupScope:
        """The answers of the example's corpus, to its kind of question."""
        places = np.searchsorted(plan.pool, plan.answers.values)
        members = Lists(plan.answers.starts, places)
        return cls(plan, items, anchors, store, plan.answer_set, members)

    def sizes(self, examples: Ints) -> Ints:
        """Return how many candidates each example has."""
        out: Ints = self._end[examples] - self._begin[examples]
        return out

    def at(self, examples: Ints, position: Ints) -> Ints:
        """See `Pooled.at`."""
        out: Ints = self._order[self._begin[examples] + position]
        return out

    def search(self, examples: Ints, depth: int) -> Candidates:
        """Return the `depth` nearest candidates of each example; equal scores by item order."""
        vectors, own = self._anchors.vectors(examples)
        begin, end = self._begin[examples], self._end[examples]
        group = self._group[examples]
        cuts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1], [True]]))  # group by group
        found: list[Ints] = []
        scores: list[Floats] = []
        for first, last in pairwise(cuts):
            low, high = int(begin[first]), int(end[first])
            step = max(1, _GROUP_PAIRS // max(1, high - low))
            for top in range(first, last, step):
                some = own[top : min(last, top + step)]
                block = vectors[some] @ self._corpus.tile(low, high).T
                nearest = np.argsort(-block, axis=1, kind="stable")[:, :depth]
                found.append((nearest + low).ravel())
                scores.append(np.take_along_axis(block, nearest, axis=1).ravel())
        row = spread(np.minimum(end - begin, depth))
        place = self._order[np.concatenate(found)]
        return Candidates(row, place, self._pool[place], np.concatenate(scores))
