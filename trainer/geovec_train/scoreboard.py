"""One row of scores, and the same rows for machines (JSON), for documents (Markdown) and for the terminal."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_train.bootstrap import interval
from geovec_train.metrics import METRICS, Ranks, per_query
from geovec_train.pools import Pool

# Fewer parents than this cannot stand for their spread: chips are resampled instead, and the row says so.
MIN_PARENTS = 10


def score_row(pool: Pool, ranks: Ranks, *, draws: int, seed: int) -> dict[str, Any]:
    """Turn the ranks of a pool into a row of ``scores.json``.

    Args:
        pool: what was asked.
        ranks: where the right answers stood.
        draws: bootstrap replicates; 0 leaves the intervals out.
        seed: of the bootstrap.

    Returns:
        Task, scope, counts, the pool's version and, for each metric, value, interval and chance. Where answers are of
        several kinds (types of question, levels of place), ``kinds`` has value and chance of each.
    """
    sizes = pool.sizes()
    right = np.array([len(p) for p in pool.positives], dtype=np.int64)
    values = per_query(ranks)
    by_chance = per_query(Ranks.by_chance(sizes, right))
    chance = by_chance.mean(axis=0)
    by = "parent" if len(set(pool.parents)) >= MIN_PARENTS else "image"
    units = pool.parents if by == "parent" else pool.images
    clusters = np.unique(np.array(units), return_inverse=True)[1].astype(np.int64)
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
    } | ({"kinds": _kinds(pool, values, by_chance)} if pool.scope == "corpus" and len(pool.groups) > 1 else {})


def _kinds(pool: Pool, values: NDArray[np.float64], chance: NDArray[np.float64]) -> dict[str, Any]:
    """Score each kind of answer by itself; `values` and `chance` have shape (queries, metrics)."""
    groups = np.array(pool.query_groups)
    out = {}
    for group in sorted(set(pool.query_groups)):
        own = groups == group
        metrics = {
            name: {"value": float(values[own, m].mean()), "chance": float(chance[own, m].mean())}
            for m, name in enumerate(METRICS)
        }
        out[group] = {"queries": int(own.sum()), "pool": len(pool.groups[group]), "metrics": metrics}
    return out


def absent_row(task: str, meta_task: str, scope: str | None, why: str) -> dict[str, Any]:
    """A row of a task that was not scored: not applicable is not zero."""
    return {"task": task, "meta_task": meta_task, "scope": scope, "na": why, "metrics": {}}


def json_text(scores: dict[str, Any]) -> str:
    """Return the canonical JSON text; equal scores are equal bytes."""
    return json.dumps(scores, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _cell(metric: dict[str, float | None]) -> str:
    low, high = metric.get("low"), metric.get("high")
    spread = "" if low is None else f" [{_percent(low)}–{_percent(high)}]"
    return f"{_percent(metric['value'])}{spread} ({_percent(metric['chance'])})"


def pool_words(row: dict[str, Any]) -> str:
    """Say what a row's queries were ranked among."""
    if row["scope"] == "scene":
        return f"{row['pool_median']:g} per scene (median), {row['pool_groups']:,} scenes"
    if row.get("kinds"):
        return f"{row['pool_median']:g} per kind (median), {len(row['kinds']):,} kinds"
    return f"{row['pool']:,} of the corpus" if row["scope"] == "corpus" else f"{row['pool']:,} of the split"


def _lines(row: dict[str, Any]) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Yield label, pool, queries and metrics of a row, then of each of its kinds."""
    label = f"· {row['subset']}" if row.get("subset") else row["task"]
    yield label, pool_words(row), row["queries"], row["metrics"]
    for kind, part in row.get("kinds", {}).items():
        yield f"· {kind}", f"{part['pool']:,} of the kind", part["queries"], part["metrics"]


def markdown(scores: dict[str, Any]) -> str:
    """Return a Markdown page: what was scored, one table, the notes."""
    lines = [
        f"# Scores of {_escape(scores['model'])} on {_escape(scores['dataset'])}",
        "",
        f"{_escape(scores['split_note'])}. Percent; 95 % bootstrap interval in brackets; chance in parentheses.",
        "",
        f"| task | pool | queries | {' | '.join(METRICS)} |",
        f"|---|---|---:|{'---:|' * len(METRICS)}",
    ]
    for row in scores["tasks"]:
        if "na" in row:
            lines.append(f"| {row['task']} | n/a: {_escape(row['na'])} | |{' |' * len(METRICS)}")
            continue
        for label, pool, queries, metrics in _lines(row):
            cells = " | ".join(_cell(metrics[m]) for m in METRICS)
            lines.append(f"| {_escape(label)} | {pool} | {queries:,} | {cells} |")
    lines += ["", *(f"- {_escape(note)}" for note in scores["notes"]), ""]
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def human(scores: dict[str, Any]) -> list[str]:
    """Return the lines a terminal shows: percent, chance in parentheses."""
    lines = [
        f"{scores['model']} on {scores['dataset']}: {scores['split_note']}",
        f"{'task':<22}{'pool':<40}{'queries':>8}" + "".join(f"{m:>16}" for m in METRICS),
    ]
    for row in scores["tasks"]:
        if "na" in row:
            lines.append(f"{row['task']:<22}n/a: {row['na']}")
            continue
        for label, pool, queries, metrics in _lines(row):
            cells = (f"{_percent(metrics[m]['value'])} ({_percent(metrics[m]['chance'])})" for m in METRICS)
            lines.append(f"{label:<22}{pool:<40}{queries:>8,}" + "".join(f"{c:>16}" for c in cells))
    return [
        *lines,
        "percent (chance); intervals are in scores.json and scores.md",
        *(f"note: {n}" for n in scores["notes"]),
    ]
