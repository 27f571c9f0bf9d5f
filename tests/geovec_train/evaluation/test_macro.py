"""The macro average: meta-tasks count alike, whatever the number of their tasks; what was not scored is missing."""

from __future__ import annotations

from typing import Any

import pytest

from geovec_train.evaluation.macro import macro, primary
from geovec_train.evaluation.metrics import METRICS


def row(task: str, meta: str, value: float, **more: Any) -> dict[str, Any]:
    return {"task": task, "meta_task": meta, "metrics": {m: {"value": value, "chance": 0.1} for m in METRICS}, **more}


def test_meta_tasks_count_alike() -> None:
    rows = [row("a", "region", 0.2), row("b", "region", 0.4), row("c", "vqa", 0.9)]
    found = macro(rows)
    assert found["metrics"]["P@1"]["value"] == pytest.approx((0.3 + 0.9) / 2)
    assert found["metrics"]["P@1"]["chance"] == pytest.approx(0.1)
    assert found["meta_tasks"]["region"]["tasks"] == ["a", "b"]
    assert found["missing"] == ["classification", "cross_modal", "compositional", "geo"]


def test_a_task_counts_once_and_what_is_not_applicable_not_at_all() -> None:
    absent = {"task": "d", "meta_task": "geo", "na": "the encoder takes no images", "metrics": {}}
    rows = [
        row("a", "region", 0.2),
        row("a", "region", 0.8, scope="split"),
        row("a", "region", 1.0, subset="x"),
        absent,
    ]
    assert [r["metrics"]["P@1"]["value"] for r in primary(rows)] == [0.2]
    assert macro(rows)["metrics"]["P@1"]["value"] == 0.2


def test_nothing_scored_has_no_average() -> None:
    assert macro([])["metrics"] == {}
