"""The vectors that a run needs: which stores, what is missing there, and the encoder only if something is."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from geovec_data.dataset import Dataset
from geovec_data.mining.cache import EmbeddingStore, Floats, Role
from geovec_data.mining.config import MineConfig
from geovec_data.mining.crew import Crew
from geovec_data.mining.embed import embed
from geovec_data.mining.encoder import Card, Encoder, load, pick_device, read_card
from geovec_data.mining.encoding import Effort, Encoding, LocalEncoding
from geovec_data.mining.items import Ints, Items
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.scope import Anchors, PositiveAnchors, QueryAnchors
from geovec_data.mining.search.corpus import Searcher
from geovec_data.mining.stored_corpus import Stored


class Vectors:
    """Vectors of queries and targets of one encoder over one dataset.

    Args:
        config: the run's options.
        dataset: the dataset.
        items: its items' columns.
        folder: the encoder's folder.
        mark: the encoder's fingerprint.
        crew: other machines that encode and search; None: this one does.

    Attributes:
        card: what is known of the encoder.
        effort: what embedding took so far.
    """

    def __init__(
        self,
        config: MineConfig,
        dataset: Dataset,
        items: Items,
        folder: Path,
        mark: str,
        crew: Crew | None = None,
    ) -> None:
        self._config = config
        self._dataset = dataset
        self._items = items
        self._folder = folder
        self._mark = mark
        self._encoder: Encoder | None = None
        self.crew = crew
        self.card: Card = read_card(config.encoder, mark, dataset.path) or self._described()
        self.codecs = self.card.codecs(config.box_codec, config.coordinate_codec)
        self.effort = Effort()

    @cached_property
    def device(self) -> str:
        """The torch device of this process, which encodes and searches unless others do."""
        return pick_device(self._config.device)

    @cached_property
    def targets(self) -> EmbeddingStore:
        """Vectors of target items: rendered without an instruction."""
        return self._store("target", None)

    def _store(self, role: Role, instruction: str | None) -> EmbeddingStore:
        return EmbeddingStore(self._dataset.path, self.card.key(role, instruction, self.codecs))

    def _queries(self, task: str) -> EmbeddingStore:
        return self._store("query", self._dataset.instruction(f"{task}/0"))

    def _described(self) -> Card:
        return self.crew.card() if self.crew else self._loaded().card

    def _loaded(self) -> Encoder:
        if self._encoder is None:
            self._encoder = load(self._config.encoder, self._folder, self._mark, self._dataset.path, self.device)
        return self._encoder

    def fill(self, plans: list[TaskPlan]) -> None:
        """Embed what the tasks need and no earlier run embedded: targets once for all tasks, then queries."""
        pools = [p.pool for p in plans]
        self._embed(self.targets, np.unique(np.concatenate(pools)), "embedding targets")
        if self._config.anchor == "query":
            for plan in plans:
                self._embed(self._queries(plan.task), np.unique(plan.query), f"embedding queries of {plan.task}")

    def _embed(self, store: EmbeddingStore, numbers: Ints, desc: str) -> None:
        ids = self._items.ids.take(pa.array(numbers))
        store.check(self.card.dimension, self.card.name)
        if not len(store.missing(ids)):
            self.effort.reused += len(ids)
            return
        numbers = numbers[~(self._items.boxed | self._items.placed)[numbers]]
        plain = self._items.ids.take(pa.array(numbers))
        self.effort.add(embed(self._encoding(), store, ids, desc=desc, plain=plain))

    def _encoding(self) -> Encoding:
        if self.crew:
            return self.crew.encoding(self.card, self.codecs)
        batch, workers = self._config.batch, self._config.workers
        return LocalEncoding(self._loaded(), self._dataset, self.codecs, batch=batch, workers=workers)

    def of(self, plan: TaskPlan) -> tuple[Stored, Anchors]:
        """Return the vectors of a task's candidates, in pool order, and its anchors."""
        targets = Stored(self.targets, self._pool(plan))
        if self._config.anchor == "positive":
            return targets, PositiveAnchors(plan, targets)
        return targets, QueryAnchors(plan, self._items, self._queries(plan.task))

    def of_targets(self, numbers: Ints) -> Floats:
        """Return the vectors of candidates, by item number."""
        return self.targets.take(self.targets.locate(self._items.ids.take(pa.array(numbers))))

    def searcher(self, plan: TaskPlan) -> Searcher | None:
        """Return what searches a task's candidates elsewhere; None when they are searched here."""
        return self.crew.search(self.targets.key, self._pool(plan)) if self.crew else None

    def _pool(self, plan: TaskPlan) -> pa.StringArray:
        return self._items.ids.take(pa.array(plan.pool))

    def facts(self, name: str) -> dict[str, Any]:
        """Say which encoder it was, as JSON values."""
        return {
            "name": name,
            "fingerprint": self._mark,
            "modalities": list(self.card.modalities),
            "dimension": self.card.dimension,
            "codecs": self.codecs.name,
            "instructions": self.card.messages,
        }
