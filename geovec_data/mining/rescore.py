"""A second model's opinion of the most similar candidates: any SentenceTransformer, or a CrossEncoder for texts.

The second model is asked about what the other rules left. What it scores above its own score of the positive goes, and
what stays is taken in its order. An embedder's vectors are cached under its own fingerprint, as an encoder's are; a
cross-encoder reads pairs of texts, and only those that are asked about.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault, UserError
from geovec_data.mining.block import Floats, Positive
from geovec_data.mining.choice import choose
from geovec_data.mining.config import MineConfig
from geovec_data.mining.encoder import pick_device
from geovec_data.mining.items import Ints, Items
from geovec_data.mining.model_folder import find, fingerprint
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.similarity import Similarity
from geovec_data.mining.vectors import Vectors

OPTION = "policy.rescore"
_REMEMBERED = 1 << 20  # pairs whose score is not asked for again
_MOST = 4  # texts of one query's positives that stand for it, and that a cross-encoder reads


class Second(Protocol):
    """Scores of one task by the second model."""

    def positive(self, examples: Ints) -> Positive:
        """Return the scores of each example's least and most similar positive."""
        ...

    def scores(self, examples: Ints, row: Ints, place: Ints) -> Floats:
        """Return the score of the candidate at each place of the pool for ``examples[row]``."""
        ...


class Rescoring:
    """The second model over a dataset.

    Args:
        config: the run's options; ``config.policy.rescore`` names the model.
        dataset: the dataset.
        items: its items' columns.

    Raises:
        UserError: when the model is not there or has pickled weights.
    """

    def __init__(self, config: MineConfig, dataset: Dataset, items: Items) -> None:
        self.name = str(config.policy.rescore)
        self._config = config
        self._dataset = dataset
        self._items = items
        self._folder = find(self.name, OPTION)
        self.mark = fingerprint(self._folder, OPTION)
        self._vectors: Vectors | None = None
        self._cross: Any = None

    @property
    def crossed(self) -> bool:
        """Whether the model reads pairs of texts."""
        return is_cross_encoder(self._folder)

    def fill(self, plans: list[TaskPlan]) -> None:
        """Embed what an embedder needs of the tasks and no earlier run embedded.

        Raises:
            UserError: when the model cannot take a task.
        """
        if self.crossed:
            for plan in plans:
                self._refuse_pictures(plan)
            return
        config = self._config.model_copy(update={"encoder": self.name, "tasks": [p.task for p in plans]})
        self._vectors = Vectors(config, self._dataset, self._items, self._folder, self.mark)
        choose(config, self._vectors.card, self._items, plans)  # each task must be one that it can take
        self._vectors.fill(plans)

    def of(self, plan: TaskPlan) -> Second:
        """Return the scores of a task."""
        if self._vectors is not None:
            targets, anchors = self._vectors.of(plan)
            return Similarity(plan, anchors, targets)
        if self._cross is None:
            self._cross = _load(self._folder, pick_device(self._config.device))
        texts = Texts(self._dataset, self._items)
        return CrossScores(self._cross, plan, texts, self._config.anchor == "query", self._config.batch)

    def facts(self) -> dict[str, Any]:
        """Say which model it was, as JSON values."""
        return {"name": self.name, "fingerprint": self.mark, "pairs_of_texts": self.crossed}

    def _refuse_pictures(self, plan: TaskPlan) -> None:
        asked = [plan.pool] if self._config.anchor == "positive" else [plan.pool, plan.query]
        numbers = np.unique(np.concatenate(asked))
        seen = sorted({self._items.modalities[n] for n in np.unique(self._items.modality[numbers])} - {"text"})
        if seen:
            raise UserError(
                f"policy.rescore={self.name} is a cross-encoder, which reads pairs of texts; {plan.task} has"
                f" {', '.join(seen)}. Leave the task out (tasks=[…]), give anchor=positive where the candidates are"
                " texts, or rescore with an embedder"
            )


class Texts:
    """The words of items, as written.

    Args:
        dataset: the dataset.
        items: its items' columns.
    """

    def __init__(self, dataset: Dataset, items: Items) -> None:
        self._dataset = dataset
        self._items = items

    def of(self, numbers: Ints) -> dict[int, str]:
        """Return the text of each item."""
        distinct = np.unique(numbers)
        ids = self._items.ids.take(pa.array(distinct)).to_pylist()
        store = self._dataset.items
        return {
            int(number): " ".join(s.text or "" for s in store.segments(name) if s.text)
            for number, name in zip(distinct, ids, strict=True)
        }


class CrossScores:
    """Scores of a cross-encoder; with several texts for a query (``anchor=positive``) the mean over them.

    Args:
        model: a ``sentence_transformers.CrossEncoder``.
        plan: the task.
        texts: words of items.
        asked: whether the query's own text is read, and not the positives'.
        batch: pairs per forward pass.
    """

    def __init__(self, model: Any, plan: TaskPlan, texts: Texts, asked: bool, batch: int) -> None:
        self._model = model
        self._plan = plan
        self._texts = texts
        self._asked = asked
        self._batch = batch
        self._known: dict[tuple[str, str], float] = {}

    def _anchors(self, examples: Ints) -> tuple[Ints, Ints]:
        """Return, flat, which example each anchoring item belongs to, and the item."""
        if self._asked:
            return np.arange(len(examples)), self._plan.query[examples]
        return self._plan.positives.first(_MOST).take(examples)

    def scores(self, examples: Ints, row: Ints, place: Ints) -> Floats:
        """See `Second.scores`."""
        owner, anchor = self._anchors(examples)
        starts = np.searchsorted(owner, np.arange(len(examples) + 1))
        count = starts[row + 1] - starts[row]
        pair = np.repeat(np.arange(len(row)), count)
        nth = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
        one, other = anchor[starts[row[pair]] + nth], self._plan.pool[place[pair]]
        words = self._texts.of(np.concatenate([one, other]))
        scored = self._predicted([(words[a], words[b]) for a, b in zip(one.tolist(), other.tolist(), strict=True)])
        out: Floats = (np.bincount(pair, scored, minlength=len(row)) / np.maximum(count, 1)).astype(np.float32)
        return out

    def positive(self, examples: Ints) -> Positive:
        """See `Second.positive`."""
        row, item = self._plan.positives.take(examples)
        scores = self.scores(examples, row, np.searchsorted(self._plan.pool, item))
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        return Positive(np.minimum.reduceat(scores, starts), np.maximum.reduceat(scores, starts))

    def _predicted(self, pairs: list[tuple[str, str]]) -> Floats:
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        distinct = sorted({*pairs} - self._known.keys())
        if not distinct:
            return np.array([self._known[pair] for pair in pairs], np.float32)
        said = np.asarray(self._model.predict(distinct, batch_size=self._batch, show_progress_bar=False), np.float32)
        if said.ndim != 1 or not np.isfinite(said).all():
            raise DataFault(
                "policy.rescore: the cross-encoder must give one finite number for a pair of texts; it gave shape"
                f" {said.shape}"
            )
        self._known.update(zip(distinct, said.tolist(), strict=True))
        return np.array([self._known[pair] for pair in pairs], np.float32)


def is_cross_encoder(folder: Path) -> bool:
    """Tell whether a model folder holds a cross-encoder, as its own settings or its architecture say."""
    for file, key in (("config_sentence_transformers.json", "model_type"), ("config.json", "architectures")):
        try:
            found = json.loads((folder / file).read_text(encoding="utf-8")).get(key)
        except (OSError, ValueError):
            continue
        if file == "config.json":
            return any(str(name).endswith("ForSequenceClassification") for name in found or [])
        if found:
            return bool(found == "CrossEncoder")
    return False


def _load(folder: Path, device: str) -> Any:
    from sentence_transformers import CrossEncoder

    return CrossEncoder(str(folder), device=device, trust_remote_code=False, local_files_only=True)
