"""Other machines that encode and search for a run, when it has any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from geovec_data.dataset import Dataset
from geovec_data.mining.cache import Key
from geovec_data.mining.config import MineConfig
from geovec_data.mining.encoder import Card
from geovec_data.mining.encoding import Encoding
from geovec_data.mining.search.corpus import Searcher
from geovec_data.render import Codecs


class Crew(Protocol):
    """Machines that encode and search.

    Attributes:
        device: what they are, in words.
    """

    device: str

    def card(self) -> Card:
        """Return what is known of the encoder, by loading it."""
        ...

    def encoding(self, card: Card, codecs: Codecs) -> Encoding:
        """Return what encodes."""
        ...

    def search(self, key: Key, ids: pa.StringArray) -> Searcher:
        """Return what searches the vectors of items, in the given order."""
        ...


@contextmanager
def crew(config: MineConfig, dataset: Dataset, folder: Path | None, mark: str) -> Iterator[Crew | None]:
    """Assemble who works for the run; None: this process alone.

    Args:
        config: the run's options.
        dataset: the dataset.
        folder: the encoder's folder; None when nothing is to be encoded.
        mark: its fingerprint.
    """
    if config.engine == "local" or folder is None:
        yield None
        return
    from geovec_data.mining.cluster.engine import cluster
    from geovec_data.mining.cluster.worker import Job

    job = Job(
        dataset.path.resolve(),
        config.encoder,
        folder.resolve(),
        mark,
        config.device,
        config.batch,
        config.workers,
        config.search,
    )
    with cluster(dataset, job, config.ray_address) as there:
        yield there
