"""The table of all cells that are there: scores, and differences to the rival with paired intervals.

    python -m benchmarks.quality.table

A difference is taken query by query and seed by seed. Its interval resamples both: parent images (images, where
parents are few) with all their queries, alike in both arms, and seeds, each with its own training. With one seed it
says nothing of another training, and the table says so.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.plan import ARMS, RESULTS, RIVAL, SCORES

Floats = NDArray[np.float64]
DRAWS = 4000
LABELS = {
    "plain": "a: MNRL",
    "best": "a′: MNRL, NO_DUPLICATES, mined by the library",
    "mask": "b: a with known-positive mask, batches by scene",
    "mined": "c: b with negatives of our policy",
    "fresh": "d: c, mined anew",
}
HEAD = """# Is the encoder better?

Same initial weights, data and messages, and equal steps or equally many encoded items; `benchmarks/quality/plan.py` has
the arms. Percent; the 95 % intervals resample parent images and seeds together. A difference is marked * where its
interval leaves zero out, and claimed only with three seeds. Written by `benchmarks/quality/table.py` from the files in
`quality/`.
"""


def main() -> None:
    """Write ``quality.md`` and ``quality.json``."""
    cells = [json.loads(f.read_text(encoding="utf-8")) for f in sorted(RESULTS.glob("*.json"))]
    kinds = sorted(
        {(c["data"], c["model"], c["budget"]) for c in cells}, key=lambda k: (k[1] != "tiny", k[2] == "items", k)
    )
    found = [
        _compared(kind, [c for c in cells if (c["data"], c["model"], c["budget"]) == kind], cells) for kind in kinds
    ]
    out = RESULTS.parent
    (out / "quality.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page = "\n".join([HEAD, *map(_page, found), *_blind(cells)])
    (out / "quality.md").write_text(page + "\n", encoding="utf-8")
    print(page)


def _compared(kind: tuple[str, str, str], cells: list[dict[str, Any]], every: list[dict[str, Any]]) -> dict[str, Any]:
    data, model, budget = kind
    by_arm = {arm: {c["seed"]: c for c in cells if c["arm"] == arm} for arm in ARMS}
    if budget == "items":  # the rival's own items are the budget
        by_arm[RIVAL] = {
            c["seed"]: c
            for c in every
            if (c["data"], c["model"], c["budget"], c["arm"]) == (data, model, "steps", RIVAL)
        }
    rows = []
    first = next(iter(cells))
    for task, about in first["scores"].items():
        row: dict[str, Any] = {"task": task, "queries": about["queries"], "pool": about["pool"]}
        for metric in SCORES:
            row[metric] = {"chance": about[metric]["chance"], "arms": {}}
            for arm, own in by_arm.items():
                if own:
                    row[metric]["arms"][arm] = _arm(own, by_arm[RIVAL], task, metric)
        rows.append(row)
    facts = {arm: _cost(own) for arm, own in by_arm.items() if own}
    return {"data": data, "model": model, "budget": budget, "cost": facts, "rows": rows}


def _arm(own: dict[int, Any], rival: dict[int, Any], task: str, metric: str) -> dict[str, Any]:
    values = [c["scores"][task][metric]["value"] for _, c in sorted(own.items())]
    queries = _queries(next(iter(own.values())), task)
    low, high = interval([_sums(c, task, metric) for c in own.values()], queries)
    out: dict[str, Any] = {"seeds": len(own), "value": float(np.mean(values)), "low": low, "high": high, "each": values}
    both = sorted(set(own) & set(rival))
    if both and own is not rival:
        low, high = interval([_sums(own[s], task, metric) - _sums(rival[s], task, metric) for s in both], queries)
        theirs = [rival[s]["scores"][task][metric]["value"] for s in both]
        mine = [own[s]["scores"][task][metric]["value"] for s in both]
        out["to_rival"] = {
            "seeds": len(both),
            "difference": float(np.mean(mine) - np.mean(theirs)),
            "low": low,
            "high": high,
            "ratio": float(np.mean(mine) / np.mean(theirs)) if np.mean(theirs) else None,
        }
    return out


def _queries(cell: dict[str, Any], task: str) -> Floats:
    return np.array(cell["scores"][task]["units"]["queries"], dtype=np.float64)


def _sums(cell: dict[str, Any], task: str, metric: str) -> Floats:
    """Return the sum of a metric over the queries of each unit."""
    return np.array(cell["scores"][task]["units"][metric], dtype=np.float64)


def interval(sums: list[Floats], queries: Floats) -> tuple[float, float]:
    """Return the 95 % interval of a mean over queries and seeds.

    Args:
        sums: of each seed, the sum over each unit's queries, shape (units,).
        queries: of each unit, shape (units,).
    """
    rng = np.random.default_rng(0)
    every = np.stack(sums)
    units = rng.multinomial(len(queries), np.full(len(queries), 1 / len(queries)), size=DRAWS)
    seeds = rng.multinomial(len(every), np.full(len(every), 1 / len(every)), size=DRAWS) / len(every)
    means = (seeds * (units @ every.T)).sum(axis=1) / (units @ queries)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _cost(own: dict[int, Any]) -> dict[str, float]:
    cells = list(own.values())
    return {
        "steps": float(np.mean([sum(s["steps"] for s in c["stages"]) for c in cells])),
        "items": float(np.mean([c["items"] for c in cells])),
        "pictures": float(np.mean([sum(s["pictures"] for s in c["stages"]) for c in cells])),
        "cpu_s": float(np.mean([sum(s["cpu_s"] for s in c["stages"]) for c in cells])),
    }


def _page(found: dict[str, Any]) -> str:
    arms = [a for a in ARMS if a in found["cost"]]
    equal = "encoded items" if found["budget"] == "items" else "steps"
    lines = [f"\n## {found['data']}, {found['model']}, equal {equal}\n"]
    lines += _table(
        ["task, pool", "metric", "chance", *(LABELS[a].partition(":")[0] for a in arms)],
        [
            [
                f"{r['task']}, {r['pool']:,.0f}",
                m,
                f"{100 * r[m]['chance']:.1f}",
                *(_value(r[m]["arms"].get(a)) for a in arms),
            ]
            for r in found["rows"]
            for m in SCORES
        ],
    )
    ours = [a for a in arms if a != RIVAL]
    lines += ["", f"Against {LABELS[RIVAL]}:", ""]
    lines += _table(
        ["task", "metric", *(LABELS[a] for a in ours)],
        [[r["task"], m, *(_difference(r[m]["arms"].get(a)) for a in ours)] for r in found["rows"] for m in SCORES],
    )
    costs = [
        f"{LABELS[a].partition(':')[0]} {c['steps']:,.0f} steps, {c['items']:,.0f} items,"
        f" {c['pictures']:,.0f} pictures, {c['cpu_s']:,.0f} CPU s"
        for a in arms
        if (c := found["cost"][a])
    ]
    return "\n".join([*lines, "", "Cost, mean of the seeds: " + "; ".join(costs) + "."])


def _value(arm: dict[str, Any] | None) -> str:
    if arm is None:
        return "–"
    return f"{100 * arm['value']:.1f} [{100 * arm['low']:.1f}, {100 * arm['high']:.1f}] ({_seeds(arm['seeds'])})"


def _difference(arm: dict[str, Any] | None) -> str:
    if arm is None or "to_rival" not in arm:
        return "–"
    d = arm["to_rival"]
    star = " *" if d["low"] > 0 or d["high"] < 0 else ""
    times = "" if d["ratio"] is None else f", × {d['ratio']:.2f}"
    spread = f"[{100 * d['low']:+.1f}, {100 * d['high']:+.1f}]"
    return f"{100 * d['difference']:+.1f} {spread}{star}{times} ({_seeds(d['seeds'])})"


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _blind(cells: list[dict[str, Any]]) -> list[str]:
    """Tell what is still right when a part is not shown."""
    rows = [
        [f"{c['data']}, {c['model']}, {LABELS[c['arm']].partition(':')[0]}", f"without {part}", task]
        + [f"{100 * row[m]['value']:.1f} (of {100 * c['scores'][task][m]['value']:.1f})" for m in SCORES]
        for c in cells
        for part, tasks in c.get("blind", {}).items()
        for task, row in tasks.items()
    ]
    head = ["encoder (seed 0)", "shown", "task", *SCORES]
    return ["\n## Blind\n", *_table(head, rows)] if rows else []


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


if __name__ == "__main__":
    main()
