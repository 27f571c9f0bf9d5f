"""What an actor of the cluster does: encode items of the dataset, and search a shard of a corpus of vectors.

Only ids, queries and what is found travel; images are read and decoded where they are encoded, from the dataset,
which lies on storage that all machines share.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.mining.cache import EmbeddingStore, Key
from geovec_data.mining.encoder import Card, Encoder, load, pick_device
from geovec_data.mining.encoding import Effort, Floats, LocalEncoding
from geovec_data.mining.items import Ints
from geovec_data.mining.search.corpus import Searcher
from geovec_data.mining.search.making import SearchMaker
from geovec_data.mining.search_config import SearchConfig
from geovec_data.mining.stored_corpus import Stored
from geovec_data.render import Codecs

SHARDS = 4  # kept open: one's own of a task's corpus, and those of actors that were lost


@dataclass(frozen=True, slots=True)
class Job:
    """What all actors of a run need to know; every path means the same on all machines.

    Attributes:
        dataset: the dataset directory.
        encoder: the encoder, as the user named it.
        folder: its folder.
        mark: its fingerprint.
        device: ``auto`` or a torch device.
        batch: items per forward pass.
        workers: threads that prepare batches; 0: see `LocalEncoding`.
        search: how is searched.
    """

    dataset: Path
    encoder: str
    folder: Path
    mark: str
    device: str
    batch: int
    workers: int
    search: SearchConfig


class Worker:
    """One actor.

    Args:
        job: what is to be done.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._shards: dict[str, Searcher] = {}

    def ready(self) -> str:
        """Say where this is.

        Raises:
            UserError: when the machine does not see the dataset or the encoder.
        """
        import ray

        for option, path in (("dataset", self._job.dataset), ("encoder", self._job.folder)):
            if not path.is_dir():
                raise UserError(
                    f"machine {socket.gethostname()} does not see {option}={path}: with engine=ray, the dataset and"
                    " the encoder's folder must lie on storage that all machines share under the same path"
                )
        return f"{socket.gethostname()}/{ray.get_runtime_context().get_node_id()[:8]}"

    @cached_property
    def _dataset(self) -> Dataset:
        return Dataset(self._job.dataset)

    @cached_property
    def _device(self) -> str:
        return pick_device(self._job.device)

    @cached_property
    def _encoder(self) -> Encoder:
        job = self._job
        return load(job.encoder, job.folder, job.mark, job.dataset, self._device)

    def card(self) -> Card:
        """Load the encoder and return its card."""
        return self._encoder.card

    def encode(self, key: Key, codecs: Codecs, ids: pa.StringArray) -> tuple[list[str], Floats, Effort]:
        """Encode items; returns ids, unit vectors in the same order, and what it took."""
        effort = Effort()
        work = LocalEncoding(self._encoder, self._dataset, codecs, batch=self._job.batch, workers=self._job.workers)
        names: list[str] = []
        vectors: list[Floats] = []
        for some, found in work.encode(key, ids, effort):
            names += some
            vectors.append(found)
        return names, np.concatenate(vectors), effort

    def search(self, key: Key, token: str, ids: pa.StringArray, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """Search a shard of a corpus.

        Args:
            key: where its vectors are.
            token: names the shard; its vectors are looked up once.
            ids: its items, in order.
            queries: shape (queries, dimension).
            k: how many.

        Returns:
            Scores and numbers within the shard, shape (queries, min(k, len(ids))).
        """
        if token not in self._shards:
            if len(self._shards) == SHARDS:
                self._shards.pop(next(iter(self._shards)))
            shard = Stored(EmbeddingStore(self._job.dataset, key), ids)
            self._shards[token] = SearchMaker(self._job.search.model_copy(update={"devices": []}), self._device).over(
                shard
            )
        return self._shards[token].search(queries, min(k, len(ids)))
