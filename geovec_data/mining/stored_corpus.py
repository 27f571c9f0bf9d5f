"""A pool of items as a corpus of the search: its vectors stay in the files that hold them."""

from __future__ import annotations

import pyarrow as pa

from geovec_data.mining.cache import EmbeddingStore, Floats, Ints


class Stored:
    """A corpus of `geovec_data.mining.search` that reads its tiles from a store.

    Args:
        store: where the vectors are.
        ids: the corpus, in order.
    """

    def __init__(self, store: EmbeddingStore, ids: pa.StringArray) -> None:
        self._store = store
        self._places = store.locate(ids)
        self._held: tuple[tuple[int, int], Floats] | None = None

    def __len__(self) -> int:
        return len(self._places)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._store.dimension or 0

    def tile(self, start: int, stop: int) -> Floats:
        """See `geovec_data.mining.search.corpus.Corpus.tile`; the last tile stays in memory."""
        held = self._held  # another thread may read another shard
        if held is None or held[0] != (start, stop):
            held = self._held = None
            held = self._held = ((start, stop), self._store.take(self._places[start:stop]))
        return held[1]

    def rows(self, index: Ints) -> Floats:
        """Return the vectors at corpus indices, shape (len(index), dimension)."""
        return self._store.take(self._places[index])
