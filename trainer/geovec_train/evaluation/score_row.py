"""One row of scores: what the ranks of a pool come to, with interval and chance."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from geovec_train.evaluation.bootstrap import interval
from geovec_train.evaluation.metrics import METRICS, Floats, Ints, Ranks, per_query
from geovec_train.evaluation.pools import Pool

# Fewer parents than this cannot stand for their spread: chips are resampled instead, and the row says so.
MIN_PARENTS = 10


def score_row(pool: Pool, ranks: Ranks, *, draws: int, seed: int, geo: dict[str, Any] | None = None) -> dict[str, Any]:
    """Turn the ranks of a pool into a row of ``scores.json``.

    Args:
        pool: what was asked.
        ranks: where the right answers stood.
        draws: bootstrap replicates; 0 leaves the intervals out.
        seed: of the bootstrap.
        geo: what `geo_error.geo_facts` says.

    Returns:
        Task, scope, counts, the pool's version and, for each metric, value, interval and chance. Where answers are of
        several kinds (types of question, levels of place), ``kinds`` has value and chance of each; where queries are of
        several corpora, ``corpora`` has.
    """
    sizes = pool.sizes()
    right = np.array([len(p) for p in pool.positives], dtype=np.int64)
    values = per_query(ranks)
    by_chance = per_query(Ranks.by_chance(sizes, right))
    chance = by_chance.mean(axis=0)
    by, clusters = resampled(pool.parents, pool.images)
    own_seed = zlib.crc32("/".join(filter(None, (str(seed), pool.task, pool.scope, pool.subset))).encode())
    ends = interval(values, clusters, draws=draws, seed=own_seed)
    metrics = {
        name: {
            "value": float(values[:, m].mean()),
            "low": float(ends[0][m]) if ends else None,
            "high": float(ends[1][m]) if ends else None,
            "chance": float(chance[m]),
        }
        for m, name in enumerate(METRICS)
    }
    return {
        "task": pool.task,
        "meta_task": pool.meta_task,
        "scope": pool.scope,
        "subset": pool.subset,
        "queries": len(pool.queries),
        "pool": len(pool.items),
        "pool_groups": len(pool.groups),
        "pool_median": float(np.median(sizes)),
        "positives_mean": float(right.mean()),
        "nothing_to_find": int((sizes == right).sum()),
        "pool_sha256": pool.version(),
        "resampled_by": by,
        "resampled_units": int(clusters.max()) + 1,
        "metrics": metrics,
        **({"geo": geo} if geo else {}),
        **({"kinds": _parts(pool.query_groups, sizes, values, by_chance)} if _of_kinds(pool) else {}),
        **({"corpora": _parts(pool.corpora, sizes, values, by_chance)} if len(set(pool.corpora)) > 1 else {}),
    }


def resampled(parents: list[str], images: list[str]) -> tuple[str, Ints]:
    """Choose what a bootstrap draws of queries: their parents, or where these are too few their images.

    Returns:
        ``parent`` or ``image``, and the number of each query's.
    """
    by = "parent" if len(set(parents)) >= MIN_PARENTS else "image"
    units = parents if by == "parent" else images
    return by, np.unique(np.array(units), return_inverse=True)[1].astype(np.int64)


def too_few_parents(rows: list[dict[str, Any]]) -> list[str]:
    """Return the note on the rows whose intervals are of single images; none where there are no such rows."""
    few = [r["task"] for r in rows if r.get("resampled_by") == "image"]
    if not few:
        return []
    return [
        "Too few parent images to resample: intervals resample single images and are too narrow"
        f" ({', '.join(dict.fromkeys(few))})."
    ]


def _of_kinds(pool: Pool) -> bool:
    return pool.scope == "corpus" and len(pool.groups) > 1


def _parts(names: list[str], sizes: Ints, values: Floats, chance: Floats) -> dict[str, Any]:
    """Score the queries of each name by themselves; `values` and `chance` have shape (queries, metrics)."""
    whose = np.array(names)
    out = {}
    for name in sorted(set(names)):
        own = whose == name
        metrics = {
            metric: {"value": float(values[own, m].mean()), "chance": float(chance[own, m].mean())}
            for m, metric in enumerate(METRICS)
        }
        out[name] = {"queries": int(own.sum()), "pool": int(np.median(sizes[own])), "metrics": metrics}
    return out


def absent_row(task: str, meta_task: str, scope: str | None, why: str) -> dict[str, Any]:
    """A row of a task that was not scored: not applicable is not zero."""
    return {"task": task, "meta_task": meta_task, "scope": scope, "na": why, "metrics": {}}
