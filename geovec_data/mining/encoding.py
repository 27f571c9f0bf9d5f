"""Items through an encoder on this machine: prepared in threads, batch by batch, vectors of unit length."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data.build.forking import workers_or_cores
from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault
from geovec_data.mining.cache import Key
from geovec_data.mining.encoder import Card, Encoder
from geovec_data.mining.feed import Feed
from geovec_data.render import Codecs

Floats = NDArray[np.float32]
Encoded = tuple[list[str], Floats]
_MOST = 8  # threads that prepare unless more are asked for: each holds a batch of decoded images


@dataclass(slots=True)
class Effort:
    """What embedding took.

    Attributes:
        encoded: items that went through the encoder.
        reused: items that had a vector already.
        seconds: wall-clock time of the encoding.
        device: the same, added up over the devices that encoded.
        busy: seconds for which a device ran the encoder, copies to and from it included.
        waited: seconds for which a device had nothing to do but wait for prepared batches.
    """

    encoded: int = 0
    reused: int = 0
    seconds: float = 0.0
    device: float = 0.0
    busy: float = 0.0
    waited: float = 0.0

    def facts(self) -> dict[str, float]:
        """Return it as JSON values: the share of their time for which devices were idle, and waited for input."""
        return {
            "encoded": self.encoded,
            "reused": self.reused,
            "seconds": round(self.seconds, 3),
            "idle_share": round(max(0.0, 1 - self.busy / self.device), 4) if self.device else 0.0,
            "wait_share": round(min(1.0, self.waited / self.device), 4) if self.device else 0.0,
        }

    def add(self, other: Effort) -> None:
        """Add another store's effort."""
        self.encoded += other.encoded
        self.reused += other.reused
        self.seconds += other.seconds
        self.device += other.device
        self.busy += other.busy
        self.waited += other.waited


class Encoding(Protocol):
    """Whatever turns items into vectors."""

    @property
    def card(self) -> Card:
        """What is known of the encoder."""
        ...

    def encode(self, key: Key, ids: pa.StringArray, effort: Effort) -> Iterator[Encoded]:
        """Yield the ids and the unit vectors of some items after others, every one once.

        Args:
            key: says role and instruction.
            ids: the items.
            effort: where the devices' time is added up.

        Raises:
            DataFault: when an image does not decode, or the encoder gives no finite vector for an item; names them.
        """
        ...


class LocalEncoding:
    """One encoder on one device of this machine.

    Args:
        encoder: the loaded encoder.
        dataset: where the items and their images are.
        codecs: how numbers become text.
        batch: items per forward pass.
        workers: threads that decode images and prepare batches; 0: two, beside a GPU one a core, at most eight.
    """

    def __init__(self, encoder: Encoder, dataset: Dataset, codecs: Codecs, *, batch: int, workers: int) -> None:
        self._encoder = encoder
        self._dataset = dataset
        self._codecs = codecs
        self._batch = batch
        self._workers = workers or (2 if encoder.device == "cpu" else min(_MOST, workers_or_cores(0)))

    @property
    def card(self) -> Card:
        """What is known of the encoder."""
        return self._encoder.card

    def encode(self, key: Key, ids: pa.StringArray, effort: Effort) -> Iterator[Encoded]:
        """See `Encoding.encode`."""
        begun = time.monotonic()
        feed = Feed(self._encoder, self._dataset, key, ids, self._codecs, self._batch, self._workers)
        with feed:
            for some, features in feed:
                started = time.monotonic()
                out = self._encoder.run(features, key.role)
                effort.busy += time.monotonic() - started
                yield some, _unit(out, some, self.card.name)
        effort.waited += feed.waited
        effort.device += time.monotonic() - begun


def _unit(vectors: Floats, ids: Sequence[str], encoder: str) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
    if len(bad):
        listed = ", ".join(ids[n] for n in bad[:5])
        raise DataFault(
            f"encoder={encoder} gives NaN, infinite or zero vectors for {len(bad)} of {len(ids)} items of a batch:"
            f" {listed}{', …' if len(bad) > 5 else ''}; the encoder may have diverged in training (check its loss)"
        )
    out: Floats = vectors / norms
    return out
