"""``dry_run=true``: what a build would do, from a look at the first entries of every corpus; writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from geovec_data.build.jobs import Part
from geovec_data.build.unit import Unit, UnitWorker
from geovec_data.records import Reject

LOOK_AT = 12


def rehearse(parts: Sequence[Part], todo: list[Unit]) -> dict[str, Any]:
    """Read a few entries of each corpus through checks and tasks and count what they would give."""
    corpora = {p.name: _look(p, [u for u in todo if u.corpus == p.name]) for p in parts}
    entries, units = sum(p.entries for p in parts), sum(len(p.units) for p in parts)
    tasks: Counter[str] = Counter()
    rejects: Counter[str] = Counter()
    for found in corpora.values():
        tasks.update(found["tasks"])
        rejects.update(found["rejects"])
    human = [f"dry run: {entries:,} entries in {units} units, {len(todo)} units to do; nothing was written"]
    for name, found in corpora.items():
        human += _lines(found, f"{name}: " if len(parts) > 1 else "")
    return {
        "command": "build",
        "dry_run": True,
        "entries": entries,
        "units": units,
        "units_to_do": len(todo),
        "corpora": corpora,
        "tasks": dict(tasks),
        "rejects": dict(rejects),
        "human": human,
    }


def _look(part: Part, todo: list[Unit]) -> dict[str, Any]:
    entries = sorted((e for u in part.units for e in u.entries), key=lambda e: e.key)
    worker = UnitWorker(part.job)
    counts: Counter[str] = Counter()
    tasks: Counter[str] = Counter(dict.fromkeys(part.config.tasks, 0))
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
    return {
        "entries": len(entries),
        "listed": part.listed,
        "units": len(part.units),
        "units_to_do": len(todo),
        "looked_at": [e.key for e in looked],
        "images": counts["images"],
        "regions": counts["regions"],
        "tasks": dict(tasks),
        "rejects": dict(rejects),
    }


def _lines(found: dict[str, Any], who: str) -> list[str]:
    lines = []
    if who:
        capped = f" of {found['listed']:,} (cap)" if found["listed"] > found["entries"] else ""
        lines.append(
            f"{who}{found['entries']:,} entries{capped}, {found['units_to_do']} of {found['units']} units to do"
        )
    lines += [
        f"{who}in {len(found['looked_at'])} entries looked at: {found['images']} images, {found['regions']} regions",
        f"{who}examples: " + ", ".join(f"{t} {n}" for t, n in found["tasks"].items()),
    ]
    if found["rejects"]:
        lines.append(f"{who}refused: " + ", ".join(f"{c} {n}" for c, n in sorted(found["rejects"].items())))
    return lines
