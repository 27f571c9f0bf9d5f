"""Scores of an example's positives, and of candidates that the search did not find."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from geovec_data.mining.block import Floats, Positive
from geovec_data.mining.items import Ints
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.scope import Anchors
from geovec_data.mining.stored_corpus import Stored


class Positives(Protocol):
    """Knows how similar positives are."""

    def positive(self, examples: Ints) -> Positive:
        """Return the similarity of each example's least and most similar positive to its anchor."""
        ...


class Similarity:
    """Scores from vectors.

    Args:
        plan: the task.
        anchors: what candidates must resemble.
        targets: vectors of ``plan.pool``, in its order.
    """

    def __init__(self, plan: TaskPlan, anchors: Anchors, targets: Stored) -> None:
        self._plan = plan
        self._anchors = anchors
        self._targets = targets

    def positive(self, examples: Ints) -> Positive:
        """See `Positives.positive`."""
        row, item = self._plan.positives.take(examples)
        scores = self.scores(examples, row, np.searchsorted(self._plan.pool, item))
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        return Positive(np.minimum.reduceat(scores, starts), np.maximum.reduceat(scores, starts))

    def scores(self, examples: Ints, row: Ints, place: Ints) -> Floats:
        """Return the score of the candidate at each place of the pool for ``examples[row]``."""
        vectors, own = self._anchors.vectors(examples)
        out: Floats = np.einsum("ij,ij->i", vectors[own[row]], self._targets.rows(place))
        return out
