"""The vectors that a run needs: which stores, what is missing there, and the encoder only if something is."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from geovec_data.dataset import Dataset
from geovec_data.mining.cache import EmbeddingStore, Floats, Key, Role, Stored
from geovec_data.mining.config import MineConfig
from geovec_data.mining.embed import Effort, embed
from geovec_data.mining.encoder import Card, Encoder, load, pick_device, read_card
from geovec_data.mining.items import Ints, Items
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.scope import Anchors, PositiveAnchors, QueryAnchors


class Vectors:
    """Vectors of queries and targets of one encoder over one dataset.

    Args:
        config: the run's options.
        dataset: the dataset.
        items: its items' columns.
        folder: the encoder's folder.
        mark: the encoder's fingerprint.

    Attributes:
        card: what is known of the encoder.
        effort: what embedding took so far.
    """

    def __init__(self, config: MineConfig, dataset: Dataset, items: Items, folder: Path, mark: str) -> None:
        self._config = config
        self._dataset = dataset
        self._items = items
        self._folder = folder
        self._mark = mark
        self._encoder: Encoder | None = None
        self.card: Card = read_card(config.encoder, mark, dataset.path) or self._loaded().card
        self.codecs = self.card.codecs(config.box_codec, config.coordinate_codec)
        self.effort = Effort()

    @cached_property
    def device(self) -> str:
        """The torch device that encodes and searches."""
        return pick_device(self._config.device)

    @cached_property
    def targets(self) -> EmbeddingStore:
        """Vectors of target items: rendered without an instruction."""
        return self._store("target", None)

    def _store(self, role: Role, instruction: str | None) -> EmbeddingStore:
        return EmbeddingStore(self._dataset.path, Key(self._mark, role, instruction, self.codecs.name))

    def _queries(self, task: str) -> EmbeddingStore:
        instruction = self._dataset.instruction(f"{task}/0") if self.card.messages else None
        return self._store("query", instruction)

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
        if not len(store.missing(ids)):
            self.effort.reused += len(ids)
            return
        self.effort.add(
            embed(
                self._loaded(),
                self._dataset,
                store,
                ids,
                self.codecs,
                batch=self._config.batch,
                workers=self._config.workers,
                desc=desc,
            )
        )

    def of(self, plan: TaskPlan) -> tuple[Stored, Anchors]:
        """Return the vectors of a task's candidates, in pool order, and its anchors."""
        targets = Stored(self.targets, self._items.ids.take(pa.array(plan.pool)))
        if self._config.anchor == "positive":
            return targets, PositiveAnchors(plan, targets)
        return targets, QueryAnchors(plan, self._items, self._queries(plan.task))

    def of_targets(self, numbers: Ints) -> Floats:
        """Return the vectors of candidates, by item number."""
        return self.targets.take(self.targets.locate(self._items.ids.take(pa.array(numbers))))

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
