"""Where the right answers of a pool stand, by exact cosine scores computed tile by tile in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geovec_data.errors import DataFault
from geovec_train.evaluation.metrics import DEPTH, Floats, Ranks, expected_worth, ideal
from geovec_train.evaluation.pools import Ints, Pool

if TYPE_CHECKING:
    import torch

Vectors = NDArray[np.float32]

# Scores nearer than this are one score: single-precision products of unit vectors differ by a few 1e-7 with the
# shape of the tile they are computed in, and such noise must not rank anything.
TIE = 1e-6
QUERY_TILE = 1024
ITEM_TILE = 16_384  # one tile of scores is 64 MiB


def rank(pool: Pool, queries: Vectors, items: Vectors, device: str = "cpu") -> Ranks:
    """Rank every query of a pool within its group.

    Args:
        pool: the pool.
        queries: unit vectors of ``pool.queries``, shape (queries, dim).
        items: unit vectors of ``pool.items``, shape (items, dim).
        device: torch device of the products; vectors are copied to it tile by tile.

    Raises:
        DataFault: when a vector is not finite.
    """
    for name, vectors in (("query", queries), ("target", items)):
        if not np.isfinite(vectors).all():
            raise DataFault(f"{pool.task}: the encoder gave {name} vectors that are not finite; nothing can be ranked")
    out = np.zeros((len(pool.queries), 3), dtype=np.int64)
    ndcg = np.zeros(len(pool.queries))
    by_group: dict[str, list[int]] = {}
    for n, group in enumerate(pool.query_groups):
        by_group.setdefault(group, []).append(n)
    for group, members in by_group.items():
        candidates = pool.groups[group]
        for start in range(0, len(members), QUERY_TILE):
            rows = np.array(members[start : start + QUERY_TILE], dtype=np.int64)
            right = [np.searchsorted(candidates, pool.positives[n]) for n in rows]
            barred = np.where(
                np.isin(pool.barred[rows], candidates), np.searchsorted(candidates, pool.barred[rows]), -1
            )
            out[rows], ndcg[rows] = _tile(queries[rows], items, candidates, right, barred, device)
    return Ranks(out[:, 0], out[:, 1], out[:, 2], ndcg)


def _tile(
    queries: Vectors, items: Vectors, candidates: Ints, right: list[Ints], barred: Ints, device: str
) -> tuple[Ints, Floats]:
    """Return (above, tied, right) for one tile of queries of one group, shape (queries, 3), and their nDCG@10.

    `right` and `barred` are places in `candidates`; a barred candidate (-1: none) is no candidate of its query. The
    best DEPTH right ones of a query are counted for: those below can stand on none of the first DEPTH ranks.
    """
    import torch

    row = np.repeat(np.arange(len(right)), [len(r) for r in right])
    column = np.concatenate(right)
    scores = _pair_scores(queries, items, row, candidates[column])
    counts = np.array([len(r) for r in right])
    own = _own(scores, row, counts)
    among = np.arange(own.shape[1])[None] < counts[:, None]
    best, bars = own[:, 0], own[:, :DEPTH]
    ties = (among & (own >= best[:, None] - TIE)).sum(1)

    q = torch.from_numpy(np.ascontiguousarray(queries)).to(device)
    bar = torch.from_numpy(np.ascontiguousarray(bars)).to(device)
    above = torch.zeros(bar.shape, dtype=torch.int64, device=device)
    level = torch.zeros_like(above)
    for start in range(0, len(candidates), ITEM_TILE):
        chunk = candidates[start : start + ITEM_TILE]
        tile: torch.Tensor = q @ torch.from_numpy(np.ascontiguousarray(items[chunk])).to(device).T
        inside = (column >= start) & (column < start + len(chunk))
        tile[torch.from_numpy(row[inside]), torch.from_numpy(column[inside] - start)] = -torch.inf
        out = np.flatnonzero((barred >= start) & (barred < start + len(chunk)))
        tile[torch.from_numpy(out), torch.from_numpy(barred[out] - start)] = -torch.inf
        for n in range(bar.shape[1]):
            over = (tile > bar[:, n : n + 1] + TIE).sum(1)
            above[:, n] += over
            level[:, n] += (tile >= bar[:, n : n + 1] - TIE).sum(1) - over
    wrong_above, wrong_tied = above.cpu().numpy(), level.cpu().numpy()
    first = np.stack([wrong_above[:, 0], wrong_tied[:, 0] + ties, ties], axis=1)
    return first, _ndcg(own, counts, wrong_above, wrong_tied)


def _own(scores: Vectors, row: Ints, counts: Ints) -> Vectors:
    """Lay the scores of the right candidates out by query, best first, -inf where a query has fewer."""
    own = np.full((len(counts), int(counts.max())), -np.inf, dtype=np.float32)
    own[row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)] = scores
    return -np.sort(-own, axis=1)


def _ndcg(own: Vectors, counts: Ints, above: Ints, tied: Ints) -> Floats:
    """Return nDCG@10 of queries: `own` as `_own` lays it out, `above` and `tied` wrong candidates of the first ones."""
    worth = np.zeros(len(counts))
    for n in range(above.shape[1]):
        score = own[:, n : n + 1]
        over, level = (own > score + TIE).sum(1), (own >= score - TIE).sum(1)
        there = n < counts
        worth[there] += expected_worth(above[there, n] + over[there], tied[there, n] + (level - over)[there])
    out: Floats = worth / ideal(counts)
    return out


def _pair_scores(queries: Vectors, items: Vectors, row: Ints, item: Ints) -> Vectors:
    block = 65_536  # pairs at a time: their vectors must not outgrow a tile
    parts = [
        np.einsum("nd,nd->n", queries[row[s : s + block]], items[item[s : s + block]])
        for s in range(0, len(row), block)
    ]
    return np.concatenate(parts)
