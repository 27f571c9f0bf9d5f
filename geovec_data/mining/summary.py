"""What a mining run says of itself: facts for other commands, lines for a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from geovec_data.errors import UserError
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.policy import RULE_NAMES
from geovec_data.mining.tally import Tally

SUMMARY = "summary.json"
_LIKENESS = {
    "same_class": "most of the pool shares the query's class, so hard negatives come from other classes or the query's"
    " own image; where a shared class makes no answer right, give policy.same_class=off",
    "same_neighbourhood": "most of the pool is described alike; a higher policy.walk_cosine drops less",
}


def read_summary(run: Path) -> dict[str, Any]:
    """Read the summary of a finished run.

    Raises:
        UserError: when the folder holds no finished run.
    """
    try:
        facts: dict[str, Any] = json.loads((run / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{run} holds no readable {SUMMARY} ({error}); choose another run=…, or overwrite=true"
        ) from error
    return facts


def task_facts(tally: Tally, plan: TaskPlan, k: int) -> dict[str, Any]:
    """Return a tally as JSON values."""
    short = sum(tally.short.values())
    missing = sum((k - have) * count for have, count in tally.short.items())
    return {
        "examples": tally.examples,
        "queries": len(np.unique(plan.query)),
        "pool": len(plan.pool),
        "candidates": tally.candidates,
        "negatives": dict(tally.negatives),
        "drops": dict(tally.drops),
        "keeps": {rule: n for rule, n in tally.keeps.items() if n},
        "promotes": {rule: n for rule, n in tally.promotes.items() if n},
        "searched_deeper": tally.deeper,
        "short": {
            "examples": short,
            "missing": missing,
            "by_kind": {kind: n for kind, n in tally.missing.items() if n},
            "examples_by_negatives": {str(have): tally.short[have] for have in sorted(tally.short)},
        },
    }


def overall(tasks: dict[str, Any]) -> dict[str, Any]:
    """Add the tasks' counts up."""
    return {
        "examples": sum(t["examples"] for t in tasks.values()),
        "negatives": sum(sum(t["negatives"].values()) for t in tasks.values()),
        "drops": {rule: sum(t["drops"][rule] for t in tasks.values()) for rule in RULE_NAMES},
        "short": {
            "examples": sum(t["short"]["examples"] for t in tasks.values()),
            "missing": sum(t["short"]["missing"] for t in tasks.values()),
        },
    }


def refuse_nothing(facts: dict[str, Any]) -> None:
    """Refuse a run without a single negative.

    Raises:
        UserError: naming the rules that took the candidates, and how many each.
    """
    if facts["negatives"]:
        return
    took = sorted((-n, rule) for rule, n in facts["drops"].items() if n)
    said = ", ".join(f"{rule} {-n:,}" for n, rule in took) or "nothing: there were none"
    raise UserError(
        f"no negative is left for {facts['examples']:,} examples. Of the candidates were dropped by {said}. Relax the"
        " policy (policy.<rule>=off, a smaller margin), or widen the pool"
    )


def human_lines(facts: dict[str, Any], out: Path) -> list[str]:
    """Say it in a few lines."""
    tasks, short, work = facts["tasks"], facts["short"], facts["embedding"]
    lines = [
        f"{facts['negatives']:,} negatives for {facts['examples']:,} examples of the {facts['split']} split → {out}",
    ]
    width = max(len(t) for t in tasks)
    for name, t in tasks.items():
        kinds = " + ".join(f"{n:,} {kind}" for kind, n in t["negatives"].items() if n) or "none"
        drops = ", ".join(f"{rule} {n:,}" for rule, n in t["drops"].items() if n) or "nothing"
        lines.append(f"  {name:<{width}}  {t['examples']:,} examples, pool {t['pool']:,}: {kinds}; dropped: {drops}")
    if short["examples"]:
        lines.append(
            f"{short['examples']:,} examples have fewer than {facts['k']} negatives ({short['missing']:,} missing):"
            f" {'the stored candidates' if facts['reused'] else 'their pools'} hold no more"
        )
    lines += [note for name, t in tasks.items() for note in _likeness(name, t)]
    lines += [f"skipped {name}: {why}" for name, why in facts["skipped"].items()]
    searched = facts["search"] or {}  # of an older run nothing is known
    for name, found in searched.get("recall", {}).items():
        lines.append(
            f"{found['searched']} found {100 * found['recall']:.2f} % of the {found['k']} nearest of {name}, measured"
            f" for {found['queries']:,} queries"
        )
    if facts["reused"]:
        lines.append(f"candidates are those of run '{facts['reused']}': nothing was embedded or searched")
    elif work["encoded"]:
        rate = work["encoded"] / max(work["seconds"], 1e-9)
        idle, waited = (100 * work[share] for share in ("idle_share", "wait_share"))
        lines.append(
            f"embedded {work['encoded']:,} items in {work['seconds']:.1f} s on {facts['device']} ({rate:,.0f}/s; idle"
            f" {idle:.0f} % of it, {waited:.0f} % waiting for input); {work['reused']:,} were embedded before"
        )
    else:
        lines.append(f"all {work['reused']:,} vectors were there from earlier runs")
    if facts["split"] != "train":
        lines.append(f"mined on the {facts['split']} split: not for training")
    return lines


def _likeness(task: str, t: dict[str, Any]) -> list[str]:
    """Say where a rule of likeness took most of a pool, as a corpus of one class makes it do."""
    return [
        f"note: in {task}, {rule} dropped {t['drops'][rule] / t['candidates']:.0%} of the candidates: {why}"
        for rule, why in _LIKENESS.items()
        if t["drops"][rule] > t["candidates"] / 2
    ]
