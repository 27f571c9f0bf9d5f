"""What a run mines with when it searches: vectors, scopes, and the sources of the kinds that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from geovec_data.mining.config import MineConfig
from geovec_data.mining.scope import GroupScope, Pooled, Scope, Source, SplitScope
from geovec_data.mining.similarity import Positives, Similarity
from geovec_data.mining.sources import GeoSource, RandomSource, RegionSource
from geovec_data.mining.truth import Truth
from geovec_data.mining.vectors import Vectors

Scopes = Iterator[tuple[Scope, dict[str, Source]]]


class Live:
    """Scopes and scores from an encoder's vectors.

    Args:
        config: the run's options.
        vectors: the encoder's vectors.
    """

    def __init__(self, config: MineConfig, vectors: Vectors) -> None:
        self._quota = config.quota
        self._name = config.encoder
        self.vectors = vectors

    def of(self, truth: Truth) -> tuple[Positives, Scopes]:
        """Return the scores of a task's positives; and its scopes, each with the sources of further kinds."""
        plan, items = truth.plan, truth.items
        targets, anchors = self.vectors.of(plan)
        similarity = Similarity(plan, anchors, targets)

        def scopes() -> Scopes:
            split = SplitScope(plan, anchors, targets, self.vectors.device)
            yield split, self._sources(truth, similarity, split, anywhere=True)
            for group in (
                GroupScope.of_scenes(plan, items, anchors, self.vectors.targets),
                GroupScope.of_answers(plan, items, anchors, self.vectors.targets),
            ):
                yield group, self._sources(truth, similarity, group, anywhere=False)

        return similarity, scopes()

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
            "device": self.vectors.device,
            "embedding": self.vectors.effort.facts(),
        }
