"""What a run mines with when it searches: vectors, scopes, and the sources of the kinds that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from geovec_data.mining.config import MineConfig
from geovec_data.mining.neighbourhood import Neighbourhood
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.scope import Anchors, GroupScope, Pooled, Scope, Source, SplitScope
from geovec_data.mining.search.making import SearchMaker, sample
from geovec_data.mining.search.pieces import Pieces
from geovec_data.mining.similarity import Positives, Similarity
from geovec_data.mining.sources import GeoSource, RandomSource, RegionSource
from geovec_data.mining.stored_corpus import Stored
from geovec_data.mining.task import blocks
from geovec_data.mining.truth import Truth
from geovec_data.mining.vectors import Vectors

Scopes = Iterator[tuple[Scope, dict[str, Source]]]


class Live:
    """Scopes and scores from an encoder's vectors.

    Args:
        config: the run's options.
        vectors: the encoder's vectors.
        pieces: where the outcome of the search is kept until the run ends.
    """

    def __init__(self, config: MineConfig, vectors: Vectors, pieces: Pieces | None = None) -> None:
        self._config = config
        self._quota = config.quota
        self._maker = SearchMaker(config.search, vectors.device)
        self._pieces = pieces
        self._name = config.encoder
        self.vectors = vectors

    def of(self, truth: Truth) -> tuple[Positives, Scopes]:
        """Return the scores of a task's positives; and its scopes, each with the sources of further kinds."""
        plan, items = truth.plan, truth.items
        targets, anchors = self.vectors.of(plan)
        similarity = Similarity(plan, anchors, targets)
        truth.neighbourhood = Neighbourhood(truth, self.vectors.of_targets, self.vectors.device)

        def scopes() -> Scopes:
            split = self._split(plan, anchors, targets)
            yield split, self._sources(truth, similarity, split, anywhere=True)
            for group in (
                GroupScope.of_scenes(plan, items, anchors, self.vectors.targets),
                GroupScope.of_answers(plan, items, anchors, self.vectors.targets),
            ):
                yield group, self._sources(truth, similarity, group, anywhere=False)

        return similarity, scopes()

    def _split(self, plan: TaskPlan, anchors: Anchors, targets: Stored) -> SplitScope:
        search = self.vectors.searcher(plan) or self._maker.over(targets)
        depth = self._config.depth
        split = SplitScope(plan, anchors, targets, search, self._pieces, depth)
        if not self._maker.exact and len(split.examples):
            some = split.examples[sample(len(split.examples), self._config.search.sample)]
            self._maker.measure(plan.task, search, targets, anchors.vectors(some)[0], depth)
        return split

    def help(self, plan: TaskPlan) -> int:
        """Search blocks of a task of another process's run that nobody has; return how many it has."""
        targets, anchors = self.vectors.of(plan)
        split = SplitScope(plan, anchors, targets, self._maker.over(targets), self._pieces, self._config.depth)
        every = list(blocks(split, len(plan.pool)))
        for examples in every:
            split.help(examples)
        return len(every)

    def _sources(self, truth: Truth, similarity: Similarity, scope: Pooled, *, anywhere: bool) -> dict[str, Source]:
        """Make the sources asked for; an example that is ranked in its scene has no other places to look at."""
        found: dict[str, Source] = {}
        if self._quota.region and truth.boxed:
            found["region"] = RegionSource(truth, similarity)
        if self._quota.geo and anywhere:
            found["geo"] = GeoSource(truth, similarity, self._quota.within_km)
        if self._quota.random:
            found["random"] = RandomSource(truth, similarity, scope)
        return found

    def facts(self) -> dict[str, Any]:
        """Say what it took, for the summary."""
        return {
            "encoder": self.vectors.facts(self._name),
            "device": self.vectors.crew.device if self.vectors.crew else self.vectors.device,
            "search": self._maker.facts(),
            "embedding": self.vectors.effort.facts(),
        }
