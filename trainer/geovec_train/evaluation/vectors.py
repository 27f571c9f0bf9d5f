"""Vectors of items for evaluation: out of the dataset's embedding store, what is missing through the encoder once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.mining.cache import EmbeddingStore, Role
from geovec_data.mining.embed import embed
from geovec_data.mining.encoder import Card, Encoder, keep, load, pick_device, read_card
from geovec_data.mining.encoding import LocalEncoding
from geovec_data.mining.model_folder import fingerprint
from geovec_train.evaluation.view import View
from geovec_train.models.hub import locate


class Vectorizer:
    """Gives unit vectors of items for one encoder; loads it only when a vector is missing.

    Args:
        model: any SentenceTransformer or Qwen-VL checkpoint: folder, training run, hub name or preset.
        dataset: where the items are and where vectors are kept.
        box: box codec, or None for the one saved with the encoder.
        coordinate: coordinate codec, likewise.
        device: ``auto``, ``cpu``, ``cuda[:n]`` or ``mps``.
        batch: items per forward pass.
        workers: threads that decode images.

    Raises:
        UserError: when the model is not found or does not load.
    """

    def __init__(
        self,
        model: str,
        dataset: Dataset,
        *,
        box: str | None = None,
        coordinate: str | None = None,
        device: str = "auto",
        batch: int = 32,
        workers: int = 2,
    ) -> None:
        self._model, self._dataset, self._batch, self._workers = model, dataset, batch, workers
        self.device = pick_device(device)
        self._encoder: Encoder | None = None
        try:
            self._folder = locate(model)
            self._mark = fingerprint(self._folder)
            self.card: Card = read_card(model, self._mark, dataset.path) or self._load().card
        except UserError as error:  # mining, whose code this is, calls the option encoder
            raise UserError(str(error).replace("encoder=", "model=", 1)) from error
        self.codecs = self.card.codecs(box, coordinate)

    def _load(self) -> Encoder:
        if self._encoder is None:
            from geovec_train.models.checkpoint import is_checkpoint, load_checkpoint
            from geovec_train.models.load import faster, quiet

            with quiet():
                if is_checkpoint(self._folder):
                    model = load_checkpoint(self._folder, device=self.device)
                    self._encoder = keep(model, self._model, self._mark, self._dataset.path)
                else:
                    self._encoder = load(self._model, self._folder, self._mark, self._dataset.path, self.device)
            self._encoder.model[0] = faster(self._encoder.model[0])
        return self._encoder

    def takes(self, modality: str) -> bool:
        """Tell whether the encoder can embed items of a modality."""
        return self.card.takes(modality)

    def vectors(self, ids: list[str], instruction: str | None, view: View | None = None) -> NDArray[np.float32]:
        """Return the vectors of items, each encoded once however often it is asked for.

        Args:
            ids: item ids; may repeat.
            instruction: the task's canonical instruction for queries, None for targets.
            view: how they are shown to the encoder; None: as they are.

        Returns:
            Unit vectors, shape (len(ids), dimension).

        Raises:
            DataFault: when the encoder gives vectors that are not finite.
        """
        role: Role = "target" if instruction is None else "query"
        key = self.card.key(role, instruction, self.codecs)
        shown = self._dataset
        if view is not None:
            key, shown = replace(key, codecs=f"{key.codecs}, {view.name}"), view.of(shown)
        store = EmbeddingStore(self._dataset.path, key)
        store.check(self.card.dimension, self._model)
        wanted = pa.array(ids, pa.string())
        if len(store.missing(wanted)):
            encoding = LocalEncoding(self._load(), shown, self.codecs, batch=self._batch, workers=self._workers)
            embed(encoding, store, wanted.unique(), desc=f"embedding {'queries' if role == 'query' else 'targets'}")
        return store.take(store.locate(wanted))
