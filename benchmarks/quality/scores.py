"""Scores of a cell: by `geovec-eval`'s code, with the sums by image that paired intervals are made of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.quality.plan import SCORES
from geovec_data.dataset import Dataset
from geovec_train.evaluation.evaluate import EvalConfig
from geovec_train.evaluation.evaluate import run as evaluate


def scored(data: Dataset, model: Path, out: Path, *, blind: str | None = None, units: bool = True) -> dict[str, Any]:
    """Score with `geovec-eval`'s code; return values, chance and, by parent image, the sums that intervals need."""
    shutil.rmtree(out, ignore_errors=True)
    found = evaluate(
        EvalConfig.model_validate(
            {"dataset": data.path, "model": str(model), "out": out, "bootstrap": 0, "device": "cpu", "blind": blind}
        )
    )
    answers = pq.read_table(out / "answers.parquet").to_pandas()
    rows: dict[str, Any] = {}
    for row in found["tasks"]:
        if row.get("subset") or "na" in row:
            continue
        name = f"{row['task']}/{row['scope']}"
        own = answers[(answers.task == row["task"]) & (answers.scope == row["scope"]) & (answers.subset == "")]
        rows[name] = {m: {n: round(row["metrics"][m][n], 5) for n in ("value", "chance")} for m in SCORES}
        rows[name] |= {"queries": row["queries"], "pool": row["pool_median"], "pool_sha256": row["pool_sha256"]}
        rows[name]["corpora"] = {
            corpus: {"queries": part["queries"], **{m: round(part["metrics"][m]["value"], 4) for m in SCORES}}
            for corpus, part in row.get("corpora", {}).items()
        }
        if units:
            sums = own.groupby(row["resampled_by"])[list(SCORES)].agg("sum").round(4)
            rows[name]["by"] = row["resampled_by"]
            rows[name]["units"] = {
                "queries": own.groupby(row["resampled_by"]).size().tolist(),
                **{m: sums[m].tolist() for m in SCORES},
            }
    return rows
