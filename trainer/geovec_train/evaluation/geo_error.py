"""How far from the right place the first answer lies: the great-circle error of the geo tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from geovec_data.geometry.geo import distance_m
from geovec_train.evaluation.metrics import Floats
from geovec_train.evaluation.pools import Ints, Pool
from geovec_train.evaluation.ranking import ITEM_TILE, QUERY_TILE, TIE, Vectors

if TYPE_CHECKING:
    import torch

WITHIN_KM = (1, 25, 200)
"""Street, city and region, the levels that image geo-localization is judged at (Vo et al. 2017)."""
_PAIRS = 1 << 18  # distances computed at a time


def places(con: duckdb.DuckDBPyConnection, pool: Pool) -> Floats | None:
    """Return longitude and latitude of a geo task's candidates, shape (items, 2), NaN where one has no place.

    None for other tasks, and where the candidates are names.
    """
    if pool.meta_task != "geo":
        return None
    rows = con.execute(
        "SELECT i.id, coalesce(list_filter(i.segments, lambda s: s.kind = 'coordinate')[1].lon, m.lon),"
        " coalesce(list_filter(i.segments, lambda s: s.kind = 'coordinate')[1].lat, m.lat)"
        " FROM items i LEFT JOIN (SELECT DISTINCT ON (id) id, lon, lat FROM images) m ON m.id = i.image"
        " WHERE i.id IN (SELECT unnest($ids))",
        {"ids": pool.items},
    ).fetchall()
    found = {i: (lon, lat) for i, lon, lat in rows if lon is not None}
    if not found:
        return None
    return np.array([found.get(i, (np.nan, np.nan)) for i in pool.items], dtype=np.float64)


def geo_facts(pool: Pool, at: Floats, queries: Vectors, items: Vectors, device: str) -> dict[str, Any]:
    """Return the median error in kilometres and the shares of queries within `WITHIN_KM`, each with its chance.

    Of several right answers the nearest one counts. Candidates tied for the first place share it: a query's error
    and shares are their means. Chance is what a tie of all candidates gives.
    """
    placed = _errors(pool, at, queries, items, device)
    alike = [np.zeros((len(v), 1), dtype=np.float32) for v in (queries, items)]
    chance = _errors(pool, at, alike[0], alike[1], "cpu")
    known = np.isfinite(placed[:, 0])
    if not known.any():
        return {}
    return {
        "queries": int(known.sum()),
        "median_km": float(np.median(placed[known, 0])),
        "median_km_chance": float(np.median(chance[known, 0])),
        "within_km": {
            str(km): {"value": float(placed[known, n].mean()), "chance": float(chance[known, n].mean())}
            for n, km in enumerate(WITHIN_KM, 1)
        },
    }


def _errors(pool: Pool, at: Floats, queries: Vectors, items: Vectors, device: str) -> Floats:
    """Return kilometres and whether they are within each of `WITHIN_KM`, (queries, 1 + levels); NaN: no place."""
    out = np.full((len(queries), 1 + len(WITHIN_KM)), np.nan)
    groups: dict[str, list[int]] = {}
    for n, group in enumerate(pool.query_groups):
        groups.setdefault(group, []).append(n)
    for group, members in groups.items():
        for start in range(0, len(members), QUERY_TILE):
            rows = np.array(members[start : start + QUERY_TILE], dtype=np.int64)
            out[rows] = _of_tile(pool, at, queries, items, pool.groups[group], rows, device)
    return out


def _of_tile(
    pool: Pool, at: Floats, queries: Vectors, items: Vectors, candidates: Ints, rows: Ints, device: str
) -> Floats:
    import torch

    asked = torch.from_numpy(np.ascontiguousarray(queries[rows])).to(device)
    barred = pool.barred[rows]

    def scores(chunk: Ints) -> torch.Tensor:
        tile: torch.Tensor = asked @ torch.from_numpy(np.ascontiguousarray(items[chunk])).to(device).T
        tile[torch.from_numpy(barred[:, None] == chunk[None]).to(device)] = -torch.inf
        return tile

    chunks = [candidates[s : s + ITEM_TILE] for s in range(0, len(candidates), ITEM_TILE)]
    first = torch.stack([scores(chunk).amax(1) for chunk in chunks]).amax(0)[:, None]
    truths = [at[pool.positives[n]] for n in rows]
    total, count = np.zeros((len(rows), 1 + len(WITHIN_KM))), np.zeros(len(rows))
    for chunk in chunks:
        row, column = (v.cpu().numpy() for v in (scores(chunk) >= first - TIE).nonzero(as_tuple=True))
        for start in range(0, len(row), _PAIRS):
            some = slice(start, start + _PAIRS)
            km = _nearest(at[chunk[column[some]]], row[some], truths) / 1000
            there = np.isfinite(km)
            each = np.column_stack([km, *(km <= limit for limit in WITHIN_KM)])[there]
            np.add.at(total, row[some][there], each)
            np.add.at(count, row[some][there], 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / np.where(count > 0, count, np.nan)[:, None])


def _nearest(points: Floats, row: Ints, truths: list[Floats]) -> Floats:
    """Return metres from each point, (pairs, 2), to the nearest right place of its query."""
    out = np.full(len(points), np.nan)
    most = max(len(t) for t in truths)
    padded = np.full((len(truths), most, 2), np.nan)
    for n, truth in enumerate(truths):
        padded[n, : len(truth)] = truth
    for n in range(most):
        right = padded[row, n]
        out = np.fmin(out, distance_m(points[:, 0], points[:, 1], right[:, 0], right[:, 1]))
    return out
