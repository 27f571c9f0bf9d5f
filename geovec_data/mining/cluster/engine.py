"""Encoding and search of a mining run on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from geovec_data.dataset import Dataset
from geovec_data.engines.cluster import connected, ray_module
from geovec_data.mining.cache import Key
from geovec_data.mining.cluster.pool import Pool, Task
from geovec_data.mining.cluster.worker import Job, Worker
from geovec_data.mining.encoder import Card
from geovec_data.mining.encoding import Effort, Encoded, Floats
from geovec_data.mining.feed import disk_order
from geovec_data.mining.items import Ints
from geovec_data.progress import say
from geovec_data.render import Codecs

SHARD = 4096  # most items of one encoding task: what a dying machine can lose, twice
_EACH = 4  # and at least so many tasks an actor, so that all end at about the same time


class Cluster:
    """Actors that encode and search for one run.

    Args:
        ray: the module, connected.
        dataset: the dataset.
        job: what the actors need to know.
    """

    def __init__(self, ray: Any, dataset: Dataset, job: Job) -> None:
        self._ray = ray
        self._dataset = dataset
        self._job = job
        cpus, gpus, count = _share([n["Resources"] for n in ray.nodes() if n["Alive"]])
        self.device = f"{count} {'GPU' if gpus else 'machine'}{'s' if count > 1 else ''} of a Ray cluster"
        # a lost actor is replaced by us and not by Ray, whose restart would wait for its tasks, perhaps for ever
        actor = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0, scheduling_strategy="SPREAD")(Worker)
        self._pool = Pool(ray, lambda: actor.remote(job), count)

    def close(self) -> None:
        """End the actors and say where the work was done."""
        shares = ", ".join(f"{n:,} on {place}" for place, n in sorted(self._pool.places.items()))
        if shares:
            say(f"ray: {sum(self._pool.places.values()):,} tasks: {shares}")
        self._pool.close()

    def card(self) -> Card:
        """Return what is known of the encoder, by loading it on one of the machines."""
        ((_, card),) = self._pool.run([Task("the encoder", lambda actor: actor.card.remote())])
        found: Card = card
        return found

    def encoding(self, card: Card, codecs: Codecs) -> ClusterEncoding:
        """Return what encodes on the cluster."""
        return ClusterEncoding(self._pool, self._dataset, card, codecs, self._job.batch)

    def search(self, key: Key, ids: pa.StringArray) -> ShardedSearch:
        """Return what searches the vectors of items, in the given order."""
        return ShardedSearch(self._ray, self._pool, key, ids)


class ClusterEncoding:
    """See `geovec_data.mining.encoding.Encoding`."""

    def __init__(self, pool: Pool, dataset: Dataset, card: Card, codecs: Codecs, batch: int) -> None:
        self._pool = pool
        self._dataset = dataset
        self.card = card
        self._codecs = codecs
        self._batch = batch

    def encode(self, key: Key, ids: pa.StringArray, effort: Effort) -> Iterator[Encoded]:
        """See `Encoding.encode`; a shard holds items whose images lie near one another on disk."""
        ids = ids.take(pa.array(disk_order(self._dataset, ids)[0]))
        share = -(-len(ids) // (_EACH * len(self._pool)))
        size = max(self._batch, min(SHARD, share))

        def task(some: pa.StringArray) -> Task:
            return Task(f"encoding {some[0]} …", lambda actor: actor.encode.remote(key, self._codecs, some))

        shards = (task(ids[start : start + size]) for start in range(0, len(ids), size))
        for _, (names, vectors, spent) in self._pool.run(shards):
            effort.add(spent)
            yield names, vectors


class ShardedSearch:
    """Each actor searches a shard of the corpus; the best of all are merged here."""

    def __init__(self, ray: Any, pool: Pool, key: Key, ids: pa.StringArray) -> None:
        self._ray = ray
        self._pool = pool
        self._key = key
        bounds = np.unique(np.linspace(0, len(ids), len(pool) + 1).astype(np.int64))
        self._bounds = [(int(a), int(b)) for a, b in pairwise(bounds)]
        self._ids = [ray.put(pa.concat_arrays([ids[a:b]])) for a, b in self._bounds]

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """Find the k greatest inner products of each query, exactly; equal scores by corpus order."""
        sent = self._ray.put(queries)
        tasks = [self._task(shard, sent, k) for shard in range(len(self._bounds))]
        found = {task.name: result for task, result in self._pool.run(tasks)}
        parts = [found[task.name] for task in tasks]
        scores = np.concatenate([scores for scores, _ in parts], axis=1)
        places = [columns + low for (_, columns), (low, _) in zip(parts, self._bounds, strict=True)]
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]  # stable: of equal scores the earlier shard's first
        return np.take_along_axis(scores, best, axis=1), np.take_along_axis(
            np.concatenate(places, axis=1), best, axis=1
        )

    def _task(self, shard: int, queries: Any, k: int) -> Task:
        ids = self._ids[shard]
        return Task(
            f"searching shard {shard + 1} of {len(self._bounds)}",
            lambda actor: actor.search.remote(self._key, ids.hex(), ids, queries, k),
            home=shard,
        )


@contextmanager
def cluster(dataset: Dataset, job: Job, address: str | None) -> Iterator[Cluster]:
    """Connect to a Ray cluster and start the actors of a run.

    Args:
        dataset: the dataset.
        job: what the actors need to know.
        address: see `geovec_data.engines.cluster.connected`.

    Raises:
        UserError: when ray is not installed or no cluster answers.
    """
    ray = ray_module()
    with connected(ray, address):
        there = Cluster(ray, dataset, job)
        say(f"ray: {there.device}")
        try:
            yield there
        finally:
            there.close()


def _share(nodes: list[dict[str, float]]) -> tuple[int, int, int]:
    """Return the cores and GPUs of one actor, and how many there are: one a GPU, else one a machine."""
    gpus = sum(int(n.get("GPU", 0)) for n in nodes)
    if gpus:
        cpus = min(int(n.get("CPU", 0)) // int(n["GPU"]) for n in nodes if n.get("GPU", 0) >= 1)
        return cpus, 1, gpus
    cores = [int(n["CPU"]) for n in nodes if n.get("CPU", 0) >= 1] or [1]
    return min(cores), 0, sum(c // min(cores) for c in cores)
