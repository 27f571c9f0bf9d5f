"""Where the right answers of a pool stand, by exact cosine scores computed tile by tile in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geovec_data.errors import DataFault
from geovec_train.metrics import Ranks
from geovec_train.pools import Ints, Pool

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
            out[rows] = _tile(queries[rows], items, candidates, right, barred, device)
    return Ranks(out[:, 0], out[:, 1], out[:, 2])


def _tile(queries: Vectors, items: Vectors, candidates: Ints, right: list[Ints], barred: Ints, device: str) -> Ints:
    """Return (above, tied, right) for one tile of queries of one group, shape (queries, 3).

    `right` and `barred` are places in `candidates`; a barred candidate (-1: none) is no candidate of its query.
    """
    import torch

    row = np.repeat(np.arange(len(right)), [len(r) for r in right])
    column = np.concatenate(right)
    scores = _pair_scores(queries, items, row, candidates[column])
    best = np.full(len(right), -np.inf, dtype=np.float32)
    np.maximum.at(best, row, scores)
    ties = np.bincount(row[scores >= best[row] - TIE], minlength=len(right))

    q = torch.from_numpy(np.ascontiguousarray(queries)).to(device)
    bar = torch.from_numpy(best).to(device)[:, None]
    above = torch.zeros(len(right), dtype=torch.int64, device=device)
    level = torch.zeros_like(above)
    for start in range(0, len(candidates), ITEM_TILE):
        chunk = candidates[start : start + ITEM_TILE]
        tile: torch.Tensor = q @ torch.from_numpy(np.ascontiguousarray(items[chunk])).to(device).T
        inside = (column >= start) & (column < start + len(chunk))
        tile[torch.from_numpy(row[inside]), torch.from_numpy(column[inside] - start)] = -torch.inf
        out = np.flatnonzero((barred >= start) & (barred < start + len(chunk)))
        tile[torch.from_numpy(out), torch.from_numpy(barred[out] - start)] = -torch.inf
        over = (tile > bar + TIE).sum(1)
        above += over
        level += (tile >= bar - TIE).sum(1) - over
    return np.stack([above.cpu().numpy(), level.cpu().numpy() + ties, ties], axis=1)


def _pair_scores(queries: Vectors, items: Vectors, row: Ints, item: Ints) -> Vectors:
    block = 65_536  # pairs at a time: their vectors must not outgrow a tile
    parts = [
        np.einsum("nd,nd->n", queries[row[s : s + block]], items[item[s : s + block]])
        for s in range(0, len(row), block)
    ]
    return np.concatenate(parts)
