"""``dry_run=true``: what a build would do, from a look at its first entries; writes nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

from geovec_data.recipe import BuildConfig
from geovec_data.records import Reject
from geovec_data.unit import Job, Unit, UnitWorker

LOOK_AT = 12


def rehearse(config: BuildConfig, job: Job, units: list[Unit], todo: list[Unit]) -> dict[str, Any]:
    """Read a few entries through checks and tasks and count what they would give."""
    entries = sorted((e for u in units for e in u.entries), key=lambda e: e.key)
    worker = UnitWorker(job)
    counts: Counter[str] = Counter()
    tasks: Counter[str] = Counter(dict.fromkeys(config.tasks, 0))
    rejects: Counter[str] = Counter()
    step = max(len(entries) // LOOK_AT, 1)
    looked = entries[::step][:LOOK_AT]
    for entry in looked:
        for out in worker.scenes(entry):
            if isinstance(out, Reject):
                rejects[out.code] += 1
                continue
            counts["images"] += 1
            counts["regions"] += len(out.regions)
            for task in worker.tasks:
                tasks[task.name] += sum(1 for _ in task.drafts(out))
    human = [
        f"dry run: {len(entries):,} entries in {len(units)} units, {len(todo)} units to do; nothing was written",
        f"in {len(looked)} entries looked at: {counts['images']} images, {counts['regions']} regions",
        "examples: " + ", ".join(f"{t} {n}" for t, n in tasks.items()),
    ]
    if rejects:
        human.append("refused: " + ", ".join(f"{c} {n}" for c, n in sorted(rejects.items())))
    return {
        "command": "build",
        "dry_run": True,
        "entries": len(entries),
        "units": len(units),
        "units_to_do": len(todo),
        "looked_at": [e.key for e in looked],
        "tasks": dict(tasks),
        "rejects": dict(rejects),
        "human": human,
    }
