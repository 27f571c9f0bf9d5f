"""What lies in one neighbourhood: random walks over the graph of what is described alike end up in the same place.

Two pictures of airports need not say one equal word, but both have neighbours that do. So what the candidates and
queries of a task show (a *subject*: an image, or a box in one) becomes a node; its neighbours are the subjects that
are described in the same telling words and whose vectors are near, by rank in both lists; and from every node a short
random walk is taken. Two subjects are as alike as the distributions where their walks end. That is nearness along the
manifold (diffusion maps: Coifman and Lafon 2006), which a cosine of two vectors is not: no labels are read.

The distributions are kept as random projections (FastRP: Chen et al., arXiv 1908.11512) less what every walk shares,
the stationary distribution: so their cosine is about 0 for two subjects by chance, however many there are.

What it costs: two more searches, of subjects among subjects, and about 3 KB a subject while the graph is made. It is
made when the first pair is asked about, so not at all where every class is known.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.mining.chance import signs, unit
from geovec_data.mining.items import NONE, Bools, Ints, Lists, spread
from geovec_data.mining.search.corpus import Matrix
from geovec_data.mining.search.exact import top_k

if TYPE_CHECKING:
    from geovec_data.mining.truth import Truth

Floats = NDArray[np.float32]
Targets = Callable[[Ints], Floats]

LEAST = 64  # subjects; among fewer, neighbours are whoever there is
STEPS = 6  # of a walk
MOST_NEIGHBOURS = 30
WIDTH = 64  # of a projection: cosines by chance are within 1/8
_LOOK = 4  # times the neighbours are looked at in either list
_SEARCHED = 8192  # subjects searched at a time
_PAIRS = 1 << 17  # compared at a time


class Neighbourhood:
    """Where the walks from a task's subjects end.

    Args:
        truth: what is known of the task.
        targets: gives the unit vectors of candidates, by item number.
        device: torch device that searches for neighbours.
    """

    def __init__(self, truth: Truth, targets: Targets, device: str = "cpu") -> None:
        self._truth = truth
        self._targets = targets
        self._device = device

    @cached_property
    def items(self) -> Ints:
        """The subjects: items that show something, ascending."""
        shown = self._truth.faces.take(self._truth.plan.pool)[1]
        return np.unique(np.concatenate([shown, self._truth.subjects.values]))

    @cached_property
    def _node(self) -> Ints:
        """Number of the subject by item, or -1."""
        out = np.full(len(self._truth.items.ids), NONE, np.int64)
        out[self.items] = np.arange(len(self.items))
        return out

    def __len__(self) -> int:
        return len(self.items)

    def alike(self, one: Ints, other: Ints, cosine: float) -> Bools:
        """Tell of pairs of items that show something whether walks from both end in the same place.

        Args:
            one: item numbers.
            other: item numbers.
            cosine: of the two distributions, or more.
        """
        if len(self) < LEAST:
            return np.zeros(len(one), np.bool_)
        ends = self.ends
        out = np.empty(len(one), np.bool_)
        for start in range(0, len(one), _PAIRS):
            some = slice(start, start + _PAIRS)
            out[some] = np.einsum("nd,nd->n", ends[self._node[one[some]]], ends[self._node[other[some]]]) >= cosine
        return out

    @cached_property
    def ends(self) -> Floats:
        """The distribution where the walk from each subject ends, projected; unit length, shape (subjects, `WIDTH`)."""
        graph = self._graph()
        degree = np.asarray(graph.sum(axis=1)).ravel()
        step = graph.multiply(1.0 / np.maximum(degree, 1.0)[:, None]).tocsr()
        start = signs(np.arange(len(self)), WIDTH)
        out = start
        for _ in range(STEPS):
            out = step @ out
        out = out - (degree / degree.sum()) @ start  # the share of it that every walk has
        return unit(out.astype(np.float32))

    def _graph(self) -> Any:
        """Return the neighbours of each subject as a symmetric sparse matrix of ones."""
        from scipy import sparse

        n = len(self)
        keep = int(np.clip(round(np.sqrt(n) / 2), 5, MOST_NEIGHBOURS))
        look = min(_LOOK * keep, n - 1)
        lists = []
        for vectors in (self._words(), self._vectors()):
            found = self._nearest(vectors, look)
            lists += [found, found.T.tocsr()]
        pieces = []
        for start in range(0, n, _SEARCHED):
            # a neighbour by both lists, and of one another, weighs most
            near = sum((part[start : start + _SEARCHED] for part in lists[1:]), lists[0][start : start + _SEARCHED])
            pieces.append(_first(near.tocsr(), keep))
        graph = sparse.vstack(pieces).tocsr()
        return graph.maximum(graph.T)

    def _nearest(self, vectors: Floats, look: int) -> Any:
        """Return the `look` nearest of each subject, weighed by the logarithm of their rank."""
        from scipy import sparse

        n = len(vectors)
        corpus = Matrix(vectors)
        weight = np.log((look + 1) / np.arange(1, look + 1)).astype(np.float32)
        pieces = []
        for start in range(0, n, _SEARCHED):
            some = np.arange(start, min(n, start + _SEARCHED))
            score, found = top_k(vectors[some], corpus, look + 1, device=self._device)
            other = (found != some[:, None]) & (score > 0)
            row, rank = np.nonzero(other)
            place = np.cumsum(other, axis=1)[row, rank] - 1
            first = place < look
            data = (weight[place[first]], (row[first], found[row, rank][first]))
            pieces.append(sparse.csr_matrix(data, shape=(len(some), n)))
        return sparse.vstack(pieces).tocsr()

    def _linked(self) -> tuple[Ints, Ints]:
        """Pairs (subject that is no candidate, candidate that is right for it)."""
        plan = self._truth.plan
        query = plan.query[spread(np.diff(plan.positives.starts))]
        of_query = (self._node[query] != NONE) & ~np.isin(query, plan.pool)
        return self._node[query[of_query]], plan.positives.values[of_query]

    def _vectors(self) -> Floats:
        """Vectors of the subjects: their own where they are candidates, else the mean of what is right for them."""
        from scipy import sparse

        own = np.flatnonzero(np.isin(self.items, self._truth.plan.pool))
        node, right = self._linked()
        distinct, inverse = np.unique(np.concatenate([self.items[own], right]), return_inverse=True)
        of = sparse.csr_matrix(
            (np.ones(len(inverse), np.float32), (np.concatenate([own, node]), inverse)), (len(self), len(distinct))
        )
        return unit(of @ self._targets(distinct))

    def _words(self) -> Floats:
        """What is said of each subject as a random projection of its words, rare ones weighing more."""
        position, text = self._truth.said.take(self.items)
        node, right = self._linked()
        linked, more = self._truth.said.take(right)
        lists = Lists.of(np.concatenate([position, node[linked]]), np.concatenate([text, more]), len(self))
        return self._truth.words.content.projected(lists)


def _first(near: Any, keep: int) -> Any:
    """Return ones at the `keep` greatest of each row of a sparse matrix; equal ones by column."""
    from scipy import sparse

    near.sort_indices()
    row = spread(np.diff(near.indptr).astype(np.int64))
    order = np.lexsort((-near.data, row))
    kept = order[np.arange(len(order)) - near.indptr[row] < keep]
    return sparse.csr_matrix((np.ones(len(kept), np.float32), (row[kept], near.indices[kept])), shape=near.shape)
