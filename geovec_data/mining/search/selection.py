"""The k greatest scores of a tile, in two stages that look at few of them; stated ties.

The k blocks of columns with the greatest maxima hold the k greatest scores (a score outside them is at most the k-th
greatest block maximum, which k scores reach), so the selection looks at k blocks instead of the whole row. The work
does not depend on the data: clustered vectors cost what random ones cost.

Equal scores go by corpus order, lowest index first, so results do not depend on the selection algorithm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

BLOCK = 32  # columns of a block; of 16 to 64 the fastest here for k = 100 over 50,000
_TIE_CELLS = 4 << 20  # scores looked at at once when ties are settled


def tile_top_k(scores: torch.Tensor, k: int, *, settle: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Select the k greatest of each row of a tile, sorted by (score descending, column ascending).

    Args:
        scores: shape (rows, columns), no NaN.
        k: at most the number of columns.
        settle: whether ties go by column; a list that is scored again needs no settled ties, and rounded scores
            have them in every row.

    Returns:
        Values and columns, shape (rows, k).
    """
    import torch

    columns = scores.shape[1]
    blocks = columns // BLOCK
    more = min(k + 1, columns)  # one score more than asked for tells whether the last one is tied
    if blocks < 4 * k:  # too narrow to save anything
        values, where = torch.topk(scores, more, dim=1)
        tied = (values[:, -1] == values[:, k - 1]) & (more > k)
    else:
        whole = blocks * BLOCK
        cut = scores[:, :whole].reshape(len(scores), blocks, BLOCK)
        maxima, best = torch.topk(cut.amax(2), more, dim=1)
        near = torch.cat([_blocks(cut, best[:, :k]), scores[:, whole:]], dim=1)
        values, place = _top_few(near, maxima[:, k - 1 : k], more)
        block = best.gather(1, (place // BLOCK).clamp(max=k - 1))
        where = torch.where(place < k * BLOCK, block * BLOCK + place % BLOCK, place - k * BLOCK + whole)
        # a score equal to the last one may have been left out, here or with its block
        tied = (values[:, -1] == values[:, k - 1]) | (maxima[:, -1] == values[:, k - 1])
    values, where = values[:, :k].contiguous(), where[:, :k].contiguous()
    if not settle:
        return values, where
    _settle(scores, values, where, tied.nonzero().flatten())
    return _in_order(values, where)


def _blocks(cut: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Gather blocks: cut (rows, blocks, BLOCK), chosen (rows, k) → (rows, k · BLOCK)."""
    import torch

    if cut.device.type != "cpu":
        return cut[torch.arange(len(cut), device=cut.device)[:, None], chosen].flatten(1)
    # numpy copies whole blocks where torch goes element by element
    return torch.from_numpy(cut.numpy()[np.arange(len(cut))[:, None], chosen.numpy()]).flatten(1)


def _top_few(scores: torch.Tensor, floor: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Select the k greatest of each row, of which all but the last are known to reach the row's floor.

    Args:
        scores: shape (rows, columns).
        floor: shape (rows, 1); at least k - 1 scores of the row reach it.
        k: how many; where only k - 1 reach the floor the last value is -inf, for it cannot tie.

    Returns:
        Values, greatest first, and columns, shape (rows, k).
    """
    import torch

    if scores.device.type != "cpu":
        return torch.topk(scores, k, dim=1)
    flat, width = scores.numpy().ravel(), scores.shape[1]
    hits = np.flatnonzero((scores >= floor).numpy())
    row = hits // width
    counts = np.bincount(row, minlength=len(scores))
    packed = np.full((len(scores), max(k, int(counts.max()))), -np.inf, np.float32)
    columns = np.zeros(packed.shape, np.int64)
    at = (row, np.arange(len(hits)) - (np.cumsum(counts) - counts)[row])
    packed[at], columns[at] = flat[hits], hits % width
    values, place = torch.topk(torch.from_numpy(packed), k, dim=1)
    return values, torch.from_numpy(columns).gather(1, place)


def _settle(scores: torch.Tensor, values: torch.Tensor, where: torch.Tensor, rows: torch.Tensor) -> None:
    """Choose again, in place, for rows whose k-th score occurs more often than it is taken: lowest columns first."""
    k = values.shape[1]
    step = max(1, _TIE_CELLS // scores.shape[1])
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        part, last = scores[some], values[some, -1:]
        above, equal = part > last, part == last
        need = k - above.sum(1, keepdim=True)
        taken = above | (equal & (equal.cumsum(1) <= need))
        columns = taken.nonzero()[:, 1].view(len(some), k)
        picked, order = part.gather(1, columns).sort(dim=1, descending=True, stable=True)
        values[some], where[some] = picked, columns.gather(1, order)


def _in_order(values: torch.Tensor, where: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Put equal neighbours of descending rows into column order."""
    rows = (values[:, 1:] == values[:, :-1]).any(1).nonzero().flatten()
    if len(rows):
        columns, order = where[rows].sort(dim=1)
        picked, again = values[rows].gather(1, order).sort(dim=1, descending=True, stable=True)
        values[rows], where[rows] = picked, columns.gather(1, again)
    return values, where
