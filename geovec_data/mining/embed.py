"""Each item through the encoder once, ever: what has a vector is not encoded again, what is done survives a kill."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault
from geovec_data.mining.cache import EmbeddingStore
from geovec_data.mining.encoder import Encoder
from geovec_data.mining.feed import Feed
from geovec_data.progress import bar
from geovec_data.render import Codecs

FLUSH_ITEMS = 8192  # what a kill can lose: this many items or
FLUSH_S = 20.0  # this much time, whichever is less


@dataclass(slots=True)
class Effort:
    """What embedding took.

    Attributes:
        encoded: items that went through the encoder.
        reused: items that had a vector already.
        seconds: time of the whole.
        waited: seconds in which the device had nothing to do but wait for prepared batches.
    """

    encoded: int = 0
    reused: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def facts(self) -> dict[str, float]:
        """Return it as JSON values, with the share of the time for which the device waited."""
        return {
            "encoded": self.encoded,
            "reused": self.reused,
            "seconds": round(self.seconds, 3),
            "wait_share": round(self.waited / self.seconds, 4) if self.seconds else 0.0,
        }

    def add(self, other: Effort) -> None:
        """Add another store's effort."""
        self.encoded += other.encoded
        self.reused += other.reused
        self.seconds += other.seconds
        self.waited += other.waited


def embed(
    encoder: Encoder,
    dataset: Dataset,
    store: EmbeddingStore,
    ids: pa.StringArray,
    codecs: Codecs,
    *,
    batch: int,
    workers: int,
    desc: str,
) -> Effort:
    """Give every item a vector in the store; only those without one are encoded.

    Args:
        encoder: the loaded encoder.
        dataset: where the items and their images are.
        store: where vectors go; its key says role and instruction.
        ids: the items, each once.
        codecs: how numbers become text.
        batch: items per forward pass.
        workers: threads that decode images.
        desc: words for the progress bar.

    Returns:
        What it took.

    Raises:
        DataFault: when an image does not decode, or the encoder gives no finite vector for an item; names them.
    """
    begun = time.monotonic()
    with store.writing():  # whoever waited here finds the other process's vectors
        missing = store.missing(ids)
        effort = Effort(encoded=len(missing), reused=len(ids) - len(missing))
        if not len(missing):
            return effort
        store.describe({"name": encoder.card.name, "dimension": encoder.card.dimension})
        feed = Feed(encoder, dataset, store.key, missing, codecs, batch, workers)
        names: list[str] = []
        vectors: list[NDArray[np.float32]] = []
        flushed = time.monotonic()
        with feed, bar(len(ids), "items", desc, done=effort.reused) as advance:
            for some, features in feed:
                out = encoder.run(features, store.key.role)
                names += some
                vectors.append(_unit(out, some, encoder.card.name))
                advance(len(some))
                if len(names) >= FLUSH_ITEMS or time.monotonic() - flushed > FLUSH_S:
                    store.add(names, np.concatenate(vectors))
                    names, vectors, flushed = [], [], time.monotonic()
        if names:
            store.add(names, np.concatenate(vectors))
        effort.waited = feed.waited
    effort.seconds = time.monotonic() - begun
    return effort


def _unit(vectors: NDArray[np.float32], ids: Sequence[str], encoder: str) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
    if len(bad):
        listed = ", ".join(ids[n] for n in bad[:5])
        raise DataFault(
            f"encoder={encoder} gives NaN, infinite or zero vectors for {len(bad)} of {len(ids)} items of a batch:"
            f" {listed}{', …' if len(bad) > 5 else ''}; the encoder may have diverged in training (check its loss)"
        )
    out: NDArray[np.float32] = vectors / norms
    return out
