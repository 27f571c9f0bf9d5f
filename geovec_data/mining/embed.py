"""Each item through the encoder once, ever: what has a vector is not encoded again, what is done survives a kill."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa

from geovec_data.mining.borrow import borrow
from geovec_data.mining.cache import EmbeddingStore
from geovec_data.mining.encoding import Effort, Encoding, Floats
from geovec_data.progress import bar

FLUSH_ITEMS = 8192  # what a kill can lose: this many items or
FLUSH_S = 20.0  # this much time, whichever is less


def embed(
    encoding: Encoding, store: EmbeddingStore, ids: pa.StringArray, *, desc: str, plain: pa.StringArray | None = None
) -> Effort:
    """Give every item a vector in the store; only those without one are encoded.

    Args:
        encoding: turns items into vectors.
        store: where vectors go; its key says role and instruction.
        ids: the items, each once.
        desc: words for the progress bar.
        plain: those of them without box and coordinate; a store of other codecs may have their vectors.

    Returns:
        What it took; the time waited for another process is not in it.

    Raises:
        DataFault: when an image does not decode, or the encoder gives no finite vector for an item; names them.
        UserError: when the encoder's vectors are not of the store's length.
    """
    with store.writing():  # whoever waited here finds the other process's vectors
        begun = time.monotonic()
        if plain is not None:
            borrow(store, plain, encoding.card.dimension)
        missing = store.missing(ids)
        effort = Effort(encoded=len(missing), reused=len(ids) - len(missing))
        if not len(missing):
            return effort
        card = encoding.card
        store.check(card.dimension, card.name)
        store.describe({"name": card.name, "dimension": card.dimension})
        names: list[str] = []
        vectors: list[Floats] = []
        flushed = time.monotonic()
        with bar(len(ids), "items", desc, done=effort.reused) as advance:
            for some, found in encoding.encode(store.key, missing, effort):
                names += some
                vectors.append(found)
                advance(len(some))
                if len(names) >= FLUSH_ITEMS or time.monotonic() - flushed > FLUSH_S:
                    store.add(names, np.concatenate(vectors))
                    names, vectors, flushed = [], [], time.monotonic()
        if names:
            store.add(names, np.concatenate(vectors))
        effort.seconds = time.monotonic() - begun
    return effort
