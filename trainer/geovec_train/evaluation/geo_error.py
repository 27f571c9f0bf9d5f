"""How far from the right place the first answer lies: the great-circle error of the geo tasks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
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
_BINS, _LEAST_KM, _MOST_KM = 1 << 18, 1e-4, 20_040.0  # half of the Earth's circumference is 20,037 km at most


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

    Of several right answers the nearest one counts. Candidates tied for the first place share it: each is a query's
    answer in equal part, in the shares and in the median (the distance that half of all answers do not exceed).
    Chance is what a tie of all candidates gives.
    """
    placed = _errors(pool, at, queries, items, device)
    alike = [np.zeros((len(v), 1), dtype=np.float32) for v in (queries, items)]
    chance = _errors(pool, at, alike[0], alike[1], "cpu")
    known = np.isfinite(placed.within[:, 0])
    if not known.any():
        return {}
    return {
        "queries": int(known.sum()),
        "median_km": placed.spread.median(),
        "median_km_chance": chance.spread.median(),
        "within_km": {
            str(km): {"value": float(placed.within[known, n].mean()), "chance": float(chance.within[known, n].mean())}
            for n, km in enumerate(WITHIN_KM)
        },
    }


class _Spread:
    """How distances are spread, in bins so narrow that their mean stands for what is in them: memory is theirs."""

    def __init__(self) -> None:
        self._weights, self._sums = np.zeros(_BINS), np.zeros(_BINS)

    def add(self, km: Floats, weights: Floats) -> None:
        """Add distances with their weights."""
        at = np.log(np.maximum(km, _LEAST_KM) / _LEAST_KM) * (_BINS / math.log(_MOST_KM / _LEAST_KM))
        bins = np.minimum(at.astype(np.int64), _BINS - 1)
        self._weights += np.bincount(bins, weights, _BINS)
        self._sums += np.bincount(bins, weights * km, _BINS)

    def median(self) -> float:
        """Return the distance that half of the weight does not exceed, to one part in 10,000."""
        reached = np.cumsum(self._weights)
        # less a rounding error of the sum, which would else take the next bin for the one that reaches the half
        middle = int(np.searchsorted(reached, reached[-1] / 2 * (1 - 1e-9)))
        return float(self._sums[middle] / self._weights[middle])


@dataclass(frozen=True, slots=True)
class _Errors:
    """What was measured: of each query the share of its answers within each of `WITHIN_KM`, NaN: no place; and all."""

    within: Floats
    spread: _Spread


def _errors(pool: Pool, at: Floats, queries: Vectors, items: Vectors, device: str) -> _Errors:
    """Measure the first answers of all queries."""
    out = _Errors(np.full((len(queries), len(WITHIN_KM)), np.nan), _Spread())
    groups: dict[str, list[int]] = {}
    for n, group in enumerate(pool.query_groups):
        groups.setdefault(group, []).append(n)
    for group, members in groups.items():
        for start in range(0, len(members), QUERY_TILE):
            rows = np.array(members[start : start + QUERY_TILE], dtype=np.int64)
            _measure_tile(pool, at, queries, items, pool.groups[group], rows, device, out)
    return out


def _measure_tile(
    pool: Pool,
    at: Floats,
    queries: Vectors,
    items: Vectors,
    candidates: Ints,
    rows: Ints,
    device: str,
    out: _Errors,
) -> None:
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
    answerable = np.array([np.isfinite(t).all(axis=1).any() for t in truths])

    def ties() -> Iterator[tuple[Ints, Ints]]:
        """Yield (row, candidate) of the placed candidates of answerable queries that stand first."""
        for chunk in chunks:
            row, column = (v.cpu().numpy() for v in (scores(chunk) >= first - TIE).nonzero(as_tuple=True))
            there = answerable[row] & np.isfinite(at[chunk[column]]).all(axis=1)
            row, column = row[there], column[there]
            for start in range(0, len(row), _PAIRS):
                some = slice(start, start + _PAIRS)
                yield row[some], chunk[column[some]]

    count = np.zeros(len(rows))
    for row, _ in ties():
        count += np.bincount(row, minlength=len(rows))
    within = np.where(count > 0, 0.0, np.nan)[:, None].repeat(len(WITHIN_KM), axis=1)
    for row, candidate in ties():
        km, share = _nearest(at[candidate], row, truths) / 1000, 1 / count[row]
        for n, limit in enumerate(WITHIN_KM):
            within[:, n] += np.bincount(row, share * (km <= limit), len(rows))
        out.spread.add(km, share)
    out.within[rows] = within


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
