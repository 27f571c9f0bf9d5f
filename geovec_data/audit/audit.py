"""``geovec-data audit``: how many mined negatives are right after all, with labels seen and with labels withheld."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geovec_data.audit import curves, methods
from geovec_data.audit.audited import Audited
from geovec_data.audit.config import AuditConfig
from geovec_data.audit.page import write
from geovec_data.audit.truths import AUDITED, WITHHELD, Known, known
from geovec_data.audit.words import human_lines
from geovec_data.dataset import Dataset
from geovec_data.errors import UserError, suggest
from geovec_data.mining.config import PoolConfig
from geovec_data.mining.facts import Facts
from geovec_data.mining.items import Items
from geovec_data.mining.plan import TaskPlan, plans
from geovec_data.mining.policy_config import PolicyConfig
from geovec_data.mining.runs import choose_run
from geovec_data.mining.stored import StoredRun
from geovec_data.mining.truth import Truth
from geovec_data.mining.words import Words
from geovec_data.progress import bar

SUMMARY, PAGE = "summary.json", "audit.html"


def run(config: AuditConfig) -> dict[str, Any]:
    """Audit a mining run and write its summary and page.

    Returns:
        The summary; ``failed`` when the policy lets a false negative through although it sees the labels.

    Raises:
        UserError: for a dataset, run, task or truth that is not there, or a run that cannot be audited.
    """
    dataset = Dataset(config.dataset)
    folder = choose_run(dataset, config.run, "run")
    if folder is None:
        raise UserError(
            f"dataset={config.dataset} has no finished mining run; make one with: geovec-data mine"
            f" dataset={config.dataset} encoder=… run=…"
        )
    for name in config.truths:
        if name not in WITHHELD:
            raise UserError(f"truths: '{name}' is none.{suggest(name, WITHHELD)}")
    stored = StoredRun(folder)
    # a second model is not asked again: it is no part of what is stored
    policy = PolicyConfig.model_validate(stored.settings["policy"] | {"rescore": None})
    k = config.k or _hard(stored.settings)
    items = Items(dataset)
    facts, words = Facts(dataset, items), Words(items)
    chosen, skipped = _tasks(config, stored, list(plans(dataset, items, PoolConfig(**stored.settings["pool"]))))
    audited: list[Audited] = []
    wanted = [(plan, name) for plan in chosen for name in config.truths or WITHHELD]
    with bar(len(wanted), "tables", "auditing") as advance:
        for plan, name in wanted:
            truth = known(dataset, items, plan, name)
            if truth is None:
                skipped[f"{plan.task}, {name}"] = "the dataset knows none of that kind there"
            else:
                audited.append(_audit(config, stored, Truth(plan, facts, words), truth, name, policy, k))
            advance(1)
    if not audited:
        reasons = "; ".join(f"{what}: {why}" for what, why in skipped.items())
        raise UserError(f"nothing of run '{folder.name}' can be audited. {reasons}")
    out = config.out or folder / "audit"
    summary: dict[str, Any] = {
        "command": "audit",
        "run": folder.name,
        "encoder": stored.summary["encoder"],
        "scores_are": stored.summary["scores_are"],
        "split": stored.summary["split"],
        "k": k,
        "depth": stored.settings["depth"],
        "policy": policy.model_dump(mode="json"),
        "resamples": config.resamples,
        "audits": [a.facts for a in audited],
        "skipped": skipped,
        "failed": any(a.facts["labels_visible"]["false_negatives"] for a in audited),
    }
    shown = write(dataset, summary, audited, config.worst, out / PAGE)
    summary["human"] = [*human_lines(summary), f"page: {shown}"]
    (out / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return summary


def _hard(settings: dict[str, Any]) -> int:
    quota = settings["quota"]
    others = sum(quota[kind] or 0 for kind in ("region", "geo", "random"))
    return int(quota["hard"] if quota["hard"] is not None else settings["k"] - others) or 1


def _tasks(config: AuditConfig, stored: StoredRun, plans_: list[TaskPlan]) -> tuple[list[TaskPlan], dict[str, str]]:
    there = {p.task: p for p in plans_ if p.task in stored.summary["tasks"]}
    for name in config.tasks:
        if name not in there:
            raise UserError(f"tasks: run '{stored.summary['run']}' has no '{name}'.{suggest(name, there)}")
    asked = [p for name, p in there.items() if not config.tasks or name in config.tasks]
    why = "a place, an answer or a change makes a candidate right there, not a class or an object"
    skipped = {p.task: why for p in asked if p.meta_task not in AUDITED}
    return [p for p in asked if p.task not in skipped], skipped


def _audit(
    config: AuditConfig,
    stored: StoredRun,
    truth: Truth,
    right: Known,
    name: str,
    policy: PolicyConfig,
    k: int,
) -> Audited:
    plan = truth.plan
    pool = methods.Pool.of(truth, stored)
    found = pool.found
    row = found.row
    false, told = right.false(plan.query[row], found.item, plan.image[row].astype(np.int64))
    visible = policy.model_copy(update=dict.fromkeys((r for rules in WITHHELD.values() for r in rules), "drop"))
    withheld = policy.model_copy(update=dict.fromkeys(WITHHELD[name], "off"))
    left = np.flatnonzero(methods.geovec(pool, visible))
    seen = left[methods.rank(row[left]) < k]
    chosen = list(methods.settings(pool, k, withheld))
    points = curves.tally(pool, chosen, false, told)
    ours = curves.point(points, methods.OURS, "k", k)
    facts = {
        "task": plan.task,
        "truth": right.name,
        "examples": int(points.examples.sum()),
        "scenes": int((points.examples > 0).sum()),
        "labels_visible": {
            "negatives": len(seen),
            "known": int(told[seen].sum()),
            "false_negatives": int((false & told)[seen].sum()),
        },
        "this_run": _of_run(stored.folder, truth, right),
        "labels_withheld": {
            "rules_off": list(WITHHELD[name]),
            "points": curves.rows(points, k),
            "differences": curves.differences(points, curves.compared(points, k), k, config.resamples, config.seed),
        },
    }
    return Audited(plan, right, facts, pool, false & told, chosen[ours].chosen)


def _of_run(folder: Path, truth: Truth, right: Known) -> dict[str, int]:
    """Count the false negatives among those that the run wrote, by whatever policy it had."""
    table = pq.read_table(folder / "negatives.parquet", columns=["example", "item"])
    row = pc.index_in(table["example"], value_set=truth.plan.examples)
    table = table.append_column("row", row).filter(pc.is_valid(row))
    example = table["row"].to_numpy().astype(np.int64)
    item = pc.index_in(table["item"], value_set=pa.array(truth.items.ids)).to_numpy().astype(np.int64)
    false, told = right.false(truth.plan.query[example], item, truth.plan.image[example].astype(np.int64))
    return {"negatives": len(item), "known": int(told.sum()), "false_negatives": int((false & told).sum())}
