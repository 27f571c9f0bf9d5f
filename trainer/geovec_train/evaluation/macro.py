"""One figure for an encoder: the mean over meta-tasks of the mean over their tasks, and what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geovec_train.evaluation.metrics import METRICS

META_TASKS = ("classification", "cross_modal", "compositional", "vqa", "region", "geo")


def primary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the row that stands for each scored task: all its queries, in the pool that the task is defined by."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["metrics"] and not row.get("subset"):
            first.setdefault(row["task"], row)
    return list(first.values())


def macro(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Average the tasks of each meta-task, then the meta-tasks; value and chance of every metric.

    A task that was not scored is left out, not zero; `missing` names the meta-tasks of RSMEB that have none.
    """
    by: dict[str, list[dict[str, Any]]] = {}
    for row in primary(rows):
        by.setdefault(row["meta_task"], []).append(row)
    meta = {name: {"tasks": [r["task"] for r in some], "metrics": _mean(some)} for name, some in sorted(by.items())}
    return {
        "meta_tasks": meta,
        "missing": [name for name in META_TASKS if name not in by],
        "metrics": _mean(list(meta.values())) if meta else {},
    }


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {m: {k: sum(r["metrics"][m][k] for r in rows) / len(rows) for k in ("value", "chance")} for m in METRICS}
