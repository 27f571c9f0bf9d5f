"""Sources of candidates besides the search: the example's own image, places near its own, and chance."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geovec_data.geometry.geo import EARTH_RADIUS_M
from geovec_data.mining.block import Candidates, Floats
from geovec_data.mining.chance import splitmix
from geovec_data.mining.items import NONE, Bools, Ints, Lists
from geovec_data.mining.scope import Pooled
from geovec_data.mining.truth import Truth


class Scorer(Protocol):
    """How similar a candidate is to an example's anchor."""

    def scores(self, examples: Ints, row: Ints, place: Ints) -> Floats:
        """Return the score of the candidate at each place of the pool for ``examples[row]``."""
        ...


class _Source:
    def __init__(self, truth: Truth, scorer: Scorer) -> None:
        self._truth = truth
        self._plan = truth.plan
        self._scorer = scorer

    def _candidates(self, examples: Ints, row: Ints, place: Ints) -> Candidates:
        return Candidates(row, place, self._plan.pool[place], self._scorer.scores(examples, row, place))


class RegionSource(_Source):
    """Boxes of the example's image, or their texts: those of the category of a right one first, then by similarity."""

    @cached_property
    def _members(self) -> Lists:
        truth = self._truth
        position, face = truth.faces.take(self._plan.pool)
        image = truth.items.image[face].astype(np.int64)
        boxed = truth.items.boxed[face] & (image != NONE)
        count = max(int(image.max(initial=NONE)), int(self._plan.image.max(initial=NONE))) + 1
        return Lists.of(image[boxed], position[boxed], count)

    def sizes(self, examples: Ints) -> Ints:
        """See `geovec_data.mining.scope.Scope.sizes`."""
        image = self._plan.image[examples]
        sizes: Ints = np.append(np.diff(self._members.starts), 0)[image]  # of -1, no image: none
        return sizes

    def search(self, examples: Ints, depth: int) -> Candidates:
        """See `geovec_data.mining.scope.Scope.search`."""
        shown = np.flatnonzero(self._plan.image[examples] != NONE)
        position, place = self._members.take(self._plan.image[examples[shown]].astype(np.int64))
        found = self._candidates(examples, shown[position], place)
        alike = _of_right_class(self._truth, examples, found)
        order = np.lexsort((-found.score, ~alike, found.row))
        found = found.keep(order)
        return found.keep(np.arange(len(found.row)) - np.searchsorted(found.row, found.row) < depth)


class GeoSource(_Source):
    """Candidates near in place, nearest first, of another class than the example's.

    Where a place decides what is right (``image_to_coordinate``), the class need not differ; elsewhere both must be
    known. A k-d tree over points of the unit sphere gives great-circle neighbours, across the antimeridian too.
    """

    def __init__(self, truth: Truth, scorer: Scorer, within_km: float) -> None:
        super().__init__(truth, scorer)
        angle = min(within_km * 1000.0 / EARTH_RADIUS_M, np.pi)
        self._farthest = 2.0 * np.sin(angle / 2.0)  # the chord of that arc
        position, face = truth.faces.take(self._plan.pool)
        point = _on_sphere(truth.facts.place[face])
        known = ~np.isnan(point[:, 0])
        self._places, first = np.unique(position[known], return_index=True)
        self._points = point[known][first]

    @cached_property
    def _tree(self) -> object:
        from scipy.spatial import cKDTree

        return cKDTree(self._points)

    def sizes(self, examples: Ints) -> Ints:
        """See `geovec_data.mining.scope.Scope.sizes`."""
        return np.full(len(examples), len(self._places))

    def search(self, examples: Ints, depth: int) -> Candidates:
        """See `geovec_data.mining.scope.Scope.search`; those of the same class are left out of the `depth`."""
        row, subject = self._truth.subjects.take(self._truth.group(examples))
        point = _on_sphere(self._truth.facts.place[subject])
        known = ~np.isnan(point[:, 0])
        rows, first = np.unique(row[known], return_index=True)
        if not len(rows) or not len(self._places):
            none = np.zeros(0, np.int64)
            return Candidates(none, none, none, np.zeros(0, np.float32))
        count = min(depth, len(self._places))
        near, index = self._tree.query(point[known][first], k=range(1, count + 1), distance_upper_bound=self._farthest)  # type: ignore[attr-defined]
        there = np.isfinite(near)
        found = self._candidates(examples, np.repeat(rows, count)[there.ravel()], self._places[index[there]])
        if self._truth.place_decides:
            return found
        codes = self._truth.item_classes
        classed = np.diff(codes.starts)[found.item] > 0
        right = np.diff(self._truth.classes.starts)[self._truth.group(examples)][found.row] > 0
        return found.keep(classed & right & ~_of_right_class(self._truth, examples, found))


class RandomSource(_Source):
    """Candidates by chance: the same ones for an example in every run over the dataset."""

    def __init__(self, truth: Truth, scorer: Scorer, scope: Pooled) -> None:
        super().__init__(truth, scorer)
        self._scope = scope
        ids = b"".join(bytes.fromhex(i[:16]) for i in self._plan.examples.to_pylist())
        self._seeds: NDArray[np.uint64] = np.frombuffer(ids, ">u8").astype(np.uint64)

    def sizes(self, examples: Ints) -> Ints:
        """See `geovec_data.mining.scope.Scope.sizes`."""
        return self._scope.sizes(examples)

    def search(self, examples: Ints, depth: int) -> Candidates:
        """See `geovec_data.mining.scope.Scope.search`; a deeper search begins as a shallower one does."""
        sizes = self._scope.sizes(examples)
        row = np.repeat(np.arange(len(examples)), np.where(sizes > 0, depth, 0))
        number = (np.arange(len(row)) % depth).astype(np.uint64)
        drawn = splitmix(self._seeds[examples][row] + number)
        # a group that is asked for whole is gone through from a place by chance; else draws can repeat
        turned = splitmix(self._seeds[examples][row]) + number
        drawn = np.where(sizes[row] <= depth, turned, drawn)
        position = (drawn % sizes[row].astype(np.uint64)).astype(np.int64)
        key = row * (int(sizes.max(initial=0)) + 1) + position
        first = np.sort(np.unique(key, return_index=True)[1])
        place = self._scope.at(examples[row[first]], position[first])
        return self._candidates(examples, row[first], place)


def _of_right_class(truth: Truth, examples: Ints, found: Candidates) -> Bools:
    """Tell which candidates have a class of their example's query or positives, or one related to it."""
    owner, code = truth.item_classes.take(found.item)
    group, right = truth.classes.take(np.arange(len(truth.classes.starts) - 1))
    width = len(truth.facts.classes) + 1
    asked = truth.group(examples)[found.row[owner]] * width + code
    out = np.zeros(len(found.row), np.bool_)
    out[owner[np.isin(asked, group * width + right)]] = True
    return out


def _on_sphere(place: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = np.radians(place).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
