"""What is searched: vectors that are read tile by tile, and the interface of whatever searches them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Corpus(Protocol):
    """Vectors that are read tile by tile; they need not fit in memory."""

    def __len__(self) -> int:
        """Return the number of vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def tile(self, start: int, stop: int) -> Floats:
        """Return vectors ``start`` to ``stop``, shape (stop - start, dimension), contiguous."""
        ...

    def rows(self, index: Ints) -> Floats:
        """Return the vectors at indices, shape (len(index), dimension)."""
        ...


class Matrix:
    """A corpus that is in memory.

    Args:
        vectors: float32, shape (n, dimension).
    """

    def __init__(self, vectors: Floats) -> None:
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self._vectors)

    @property
    def dimension(self) -> int:
        """See `Corpus.dimension`."""
        return int(self._vectors.shape[1])

    def tile(self, start: int, stop: int) -> Floats:
        """See `Corpus.tile`."""
        return np.ascontiguousarray(self._vectors[start:stop])

    def rows(self, index: Ints) -> Floats:
        """See `Corpus.rows`."""
        return self._vectors[index]


class Shard:
    """A contiguous part of a corpus.

    Args:
        corpus: the whole.
        start: its first vector.
        stop: the one after its last.
    """

    def __init__(self, corpus: Corpus, start: int, stop: int) -> None:
        self._corpus, self.start, self._stop = corpus, start, stop

    def __len__(self) -> int:
        return self._stop - self.start

    @property
    def dimension(self) -> int:
        """See `Corpus.dimension`."""
        return self._corpus.dimension

    def tile(self, start: int, stop: int) -> Floats:
        """See `Corpus.tile`."""
        return self._corpus.tile(self.start + start, self.start + stop)

    def rows(self, index: Ints) -> Floats:
        """See `Corpus.rows`."""
        return self._corpus.rows(index + self.start)


class Searcher(Protocol):
    """Finds nearest neighbours by inner product."""

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """Find the k greatest inner products of each query.

        Args:
            queries: shape (queries, dimension).
            k: how many; at most as many as the corpus has.

        Returns:
            Scores, float32, and corpus indices, shape (queries, min(k, len(corpus))): greatest score first, equal
            scores by index.
        """
        ...


class Finder(Protocol):
    """Finds candidates for nearest neighbours, quickly and not surely, to be scored again."""

    def find(self, queries: Floats, k: int) -> tuple[Floats, Ints]:
        """Return about the k nearest of each query: rough scores and corpus indices, -1 where there is none."""
        ...
