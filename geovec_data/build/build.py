"""The sole orchestrator of a build: configuration → units of every corpus → final stage → manifest."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from geovec_data.build.forking import cool_down, warm_up, workers_or_cores
from geovec_data.build.jobs import Part, prepare, units_of
from geovec_data.build.plan import forget, pending, same_content
from geovec_data.build.target import damaged_shards, drop_damaged_units, refuse_foreign
from geovec_data.build.verdict import reject_verdict
from geovec_data.errors import DataFault, ResourceFault, UserError
from geovec_data.ids import digest
from geovec_data.leaks.words import leak_lines
from geovec_data.progress import bar, say
from geovec_data.recipe.recipe import BuildConfig
from geovec_data.splits.uneven import uneven
from geovec_data.store.journal import Journal, UnitRecord
from geovec_data.store.lock import exclusive
from geovec_data.store.manifest import MANIFEST

# how a build is run and where its corpora lie: neither asks for another final stage
_NO_MATTER = {"out", "workers", "engine", "ray_address", "dry_run", "rehash", "skip_missing"}
_NAMED = 3  # of many damaged files


def run(config: BuildConfig) -> dict[str, Any]:
    """Build, continue or check a dataset; returns the summary.

    Raises:
        UserError: a wrong root or layout, a target in use or written by something else.
        DataFault: more rows refused than a recipe allows.
        ResourceFault: disk full; the finished units stay.
    """
    started = time.monotonic()
    warm_up(config)
    parts = prepare(config)
    if config.dry_run:
        from geovec_data.build.dry_run import rehearse

        return rehearse(parts, pending(Journal(config.out), config.out / "staging", units_of(parts)))
    refuse_foreign(config.out, parts)
    with _resources(config.out), exclusive(config.out, "build"):
        summary = _build(config, parts)
        summary["seconds"] = round(time.monotonic() - started, 2)
        (config.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def _build(config: BuildConfig, parts: Sequence[Part]) -> dict[str, Any]:
    from geovec_data.engines import engine

    out, staging = config.out, config.out / "staging"
    jobs = {p.name: p.job for p in parts}
    units = units_of(parts)
    journal = Journal(out)
    damaged = damaged_shards(out)
    if damaged:
        some = "; ".join(damaged[:_NAMED]) + (f"; and {len(damaged) - _NAMED:,} more" if len(damaged) > _NAMED else "")
        say(f"build: {some}: the tables are made again from {staging}")
        drop_damaged_units(staging, journal)
    written = dict(journal.units)
    todo = pending(journal, staging, units)
    key = _final_key(config, parts)
    for name, staged in sorted(journal.units.items()):
        if written.get(name) is not staged:  # without its line; by the journal a folder with tables is known as ours
            journal.add(staged)
    if not todo and not damaged and journal.final == key and (out / MANIFEST).is_file():
        from geovec_data.dataset import Dataset
        from geovec_data.store.catalog import ensure_catalog

        dataset = Dataset(out)
        ensure_catalog(dataset)
        return _summary(config, parts, dataset.manifest.counts, dataset.manifest.leaks, done=[], unchanged=True)
    process = engine(config.engine, config.ray_address)
    staging.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    (out / "summary.json").unlink(missing_ok=True)  # what the last build says is not what this one will
    if config.rehash:
        todo = same_content(jobs, staging, todo, journal, config.workers, process)
    total = sum(len(u.entries) for u in units)
    left = sum(len(u.entries) for u in todo)
    if left < total:
        say(f"build: {total - left:,} of {total:,} entries are done already; {left:,} to do")
    Thread(target=_load_final_stage, daemon=True).start()  # its packages load while the units are made
    with bar(total, "entries", "build", done=total - left) as advance:
        for unit, record in process(jobs, todo, config.workers, "run"):
            assert isinstance(record, UnitRecord)
            journal.add(record)
            advance(len(unit.entries))
    forget(journal, staging, units)
    cooling = Thread(target=cool_down)
    cooling.start()
    try:
        return _finish(config, parts, journal, key, [u.corpus for u in todo], workers_or_cores(config.workers))
    finally:
        cooling.join()


def _load_final_stage() -> None:
    import geovec_data.build.manifest_of
    import geovec_data.store.catalog
    import geovec_data.store.finalize  # noqa: F401 - loaded for their own sake


def _final_key(config: BuildConfig, parts: Sequence[Part]) -> str:
    """Hash all that decides what the final stage writes."""
    said = [config.model_dump_json(exclude=_NO_MATTER | {"corpora"})]
    for p in parts:
        said += [p.config.model_dump_json(exclude={"source"}), p.located.kind, p.located.revision or ""]
        said += [u.stat for u in p.units]
    return digest(*said)


def _finish(
    config: BuildConfig, parts: Sequence[Part], journal: Journal, key: str, done: list[str], workers: int
) -> dict[str, Any]:
    from geovec_data.build.manifest_of import manifest_of
    from geovec_data.dataset import Dataset
    from geovec_data.schema import BUILD_TABLES
    from geovec_data.store.card import card
    from geovec_data.store.catalog import write_catalog
    from geovec_data.store.finalize import finalize, swap_in

    out = config.out
    records = [journal.units[u.name] for u in units_of(parts)]
    splits = {p.name: p.config.split for p in parts}
    compositions = {p.name: p.config.compose for p in parts if p.composed}
    known = {p.name: p.config.known_leaks for p in parts if p.config.split.method == "official"}
    finished = finalize(out, out / "staging", records, splits, compositions, config.dedup, config.leaks, known, workers)
    swap_in(out, BUILD_TABLES)
    limits = {p.name: p.config.checks.max_reject_fraction for p in parts}
    where = f"{out / 'rejects'} (every refused row)"
    fault = reject_verdict(finished.counts["corpora"], limits, out / "rejects")
    if not fault and finished.leak:
        fault, where = finished.leak, f"{out / 'leaks'} (every pair)"
    if fault:
        summary = _summary(config, parts, finished.counts, finished.leaks, done=done, unchanged=False) | {
            "failed": fault
        }
        (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        raise DataFault(f"{fault} See {where} and {out / 'summary.json'} (counts).")
    manifest = manifest_of(config, parts, finished)
    (out / "README.md").write_text(card(manifest), encoding="utf-8")
    temporary = out / (MANIFEST + ".tmp")
    temporary.write_text(manifest.text(), encoding="utf-8")
    temporary.replace(out / MANIFEST)
    write_catalog(Dataset(out))
    journal.finish(key)
    return _summary(config, parts, finished.counts, finished.leaks, done=done, unchanged=False)


def _summary(
    config: BuildConfig,
    parts: Sequence[Part],
    counts: dict[str, Any],
    leaks: dict[str, Any],
    *,
    done: list[str],
    unchanged: bool,
) -> dict[str, Any]:
    """Say what was built: in all, and by corpus; `done` names the corpus of each unit that was done."""
    examples = counts["rows"]["examples"]
    rejected = sum(counts["rejects"].values())
    corpora = {p.name: _corpus_summary(p, counts["corpora"].get(p.name), done.count(p.name)) for p in parts}
    if unchanged:
        human = [f"nothing changed: {config.out} is up to date ({examples:,} examples); nothing was done"]
    else:
        human = [
            f"{config.out}: {counts['rows']['images']:,} images, {counts['rows']['regions']:,} regions,"
            f" {examples:,} examples in {len(counts['tasks'])} tasks; {rejected:,} rows refused"
        ]
        if len(parts) > 1:
            human += [
                f"  {name}: {c['images']:,} images, {c['regions']:,} regions, {c['examples']:,} examples;"
                f" {c['rejects']:,} refused; {c['units_done']} of {c['units']} units done now"
                for name, c in corpora.items()
            ]
        if rejected:
            human.append("refused: " + ", ".join(f"{k} {v:,}" for k, v in counts["rejects"].items()))
        human += [f"leak: {line}" for line in leak_lines(leaks) if line]
        human += [f"note: {line}" for line in uneven({p.name: p.config.split for p in parts}, counts["corpora"])]
    if config.skipped:
        human.append(f"skipped, no place given: {', '.join(config.skipped)}")
    return {
        "command": "build",
        "recipe": config.name,
        "out": str(config.out),
        "units": sum(len(p.units) for p in parts),
        "units_done": len(done),
        "unchanged": unchanged,
        "corpora": corpora,
        "skipped": list(config.skipped),
        "counts": counts,
        "leaks": leaks,
        "human": human,
    }


def _corpus_summary(part: Part, counts: dict[str, Any] | None, done: int) -> dict[str, int]:
    found = counts or {"images": 0, "regions": 0, "examples": 0, "rejects_by_level": {}}
    return {
        "entries": part.entries,
        "listed": part.listed,
        "units": len(part.units),
        "units_done": done,
        "rejects": sum(n for by in found["rejects_by_level"].values() for n in by.values()),
        **{k: found[k] for k in ("images", "regions", "examples")},
    }


@contextmanager
def _resources(out: Path) -> Iterator[None]:
    """Turn the machine's refusals into clear messages."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResourceFault(
                f"no space left for {out} ({error.strerror}); free some and run the same command again:"
                " the finished units are kept"
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) and not isinstance(error, UserError):
            raise UserError(
                f"cannot write {error.filename or out}: {error.strerror}; choose a writable out="
            ) from error
        raise
