"""The sole orchestrator of a build: configuration → units → final stage → manifest."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geovec_data.errors import DataFault, ResourceFault, UserError
from geovec_data.ids import digest
from geovec_data.plan import forget, pending, plan, recipe_fingerprint, same_content
from geovec_data.progress import bar, say
from geovec_data.recipe import BuildConfig
from geovec_data.source import Located, locate
from geovec_data.store.journal import Journal, UnitRecord
from geovec_data.store.lock import exclusive
from geovec_data.store.manifest import MANIFEST
from geovec_data.unit import Job, Unit, make_reader
from geovec_data.verdict import reject_verdict


def run(config: BuildConfig) -> dict[str, Any]:
    """Build, continue or check a dataset; returns the summary.

    Raises:
        UserError: a wrong root or layout, a target in use or written by something else.
        DataFault: more rows refused than the recipe allows.
        ResourceFault: disk full; the finished units stay.
    """
    started = time.monotonic()
    located = locate(config)
    job = make_job(config, located)
    reader = make_reader(job)
    recipe = recipe_fingerprint(config)
    units = plan(reader, recipe, config)
    if config.dry_run:
        from geovec_data.dry_run import rehearse

        return rehearse(config, job, units, pending(Journal(config.out), job.staging, units))
    _refuse_foreign(config.out)
    with _resources(config.out), exclusive(config.out, "build"):
        summary = _build(config, located, job, units)
        summary["seconds"] = round(time.monotonic() - started, 2)
        (config.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def _build(config: BuildConfig, located: Located, job: Job, units: list[Unit]) -> dict[str, Any]:
    from geovec_data.engines import local

    out = config.out
    journal = Journal(out)
    todo = pending(journal, job.staging, units)
    key = digest(
        *(u.stat for u in units), config.split.model_dump_json(), config.checks.model_dump_json(), located.revision
    )
    if not todo and journal.final == key and (out / MANIFEST).is_file():
        from geovec_data.dataset import Dataset
        from geovec_data.store.catalog import ensure_catalog

        dataset = Dataset(out)
        ensure_catalog(dataset)
        return _summary(config, dataset.manifest.counts, done=0, units=len(units), unchanged=True)
    workers = local.workers_or_cores(config.workers)
    job.staging.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    if config.rehash:
        todo = same_content(job, todo, journal, workers)
    total = sum(len(u.entries) for u in units)
    left = sum(len(u.entries) for u in todo)
    if left < total:
        say(f"build: {total - left:,} of {total:,} entries are done already; {left:,} to do")
    with bar(total, "entries", "build", done=total - left) as advance:
        for unit, record in local.process(job, todo, workers, "run"):
            assert isinstance(record, UnitRecord)
            journal.add(record)
            advance(len(unit.entries))
    forget(journal, job.staging, units)
    return _finish(config, located, job, units, journal, key, len(todo), workers)


def _finish(
    config: BuildConfig,
    located: Located,
    job: Job,
    units: list[Unit],
    journal: Journal,
    key: str,
    done: int,
    workers: int,
) -> dict[str, Any]:
    from geovec_data.dataset import Dataset
    from geovec_data.manifest_of import manifest_of
    from geovec_data.schema import BUILD_TABLES
    from geovec_data.store.card import card
    from geovec_data.store.catalog import write_catalog
    from geovec_data.store.finalize import finalize, swap_in

    out = config.out
    records = [journal.units[u.name] for u in sorted(units, key=lambda u: u.name)]
    finished = finalize(out, job.staging, records, config.split, workers)
    swap_in(out, BUILD_TABLES)
    verdict = reject_verdict(finished.counts, config.checks.max_reject_fraction)
    if verdict:
        summary = _summary(config, finished.counts, done=done, units=len(units), unchanged=False) | {"failed": verdict}
        (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        raise DataFault(verdict + f" Every refused row is in {out / 'rejects'}, counts in {out / 'summary.json'}.")
    manifest = manifest_of(config, located, finished)
    (out / "README.md").write_text(card(manifest), encoding="utf-8")
    temporary = out / (MANIFEST + ".tmp")
    temporary.write_text(manifest.text(), encoding="utf-8")
    temporary.replace(out / MANIFEST)
    write_catalog(Dataset(out))
    journal.finish(key)
    return _summary(config, finished.counts, done=done, units=len(units), unchanged=False)


def make_job(config: BuildConfig, located: Located) -> Job:
    """Gather what the workers need."""
    from geovec_data.checks import CheckOptions
    from geovec_data.chips import ChipOptions
    from geovec_data.options import validate
    from geovec_data.tasks import get_task

    for task in config.tasks:
        get_task(task)  # an unknown name is told here, not in a worker
    checks = dict(config.checks.model_extra or {})
    validate(CheckOptions, checks, "checks")
    options = config.reader.options | located.reader_options
    if config.split.method == "official" and "official_split" in _reader_fields(config.reader.name):
        options["official_split"] = True
    chip = None if config.chip is None else {"size": config.chip.size, **(config.chip.model_extra or {})}
    if chip is not None:
        validate(ChipOptions, chip, "chip")
    return Job(
        corpus=config.name,
        root=located.root,
        staging=config.out / "staging",
        reader=config.reader.name,
        reader_options=options,
        chip=chip,
        checks=checks,
        expressions=config.synthesise.expressions,
        captions=config.synthesise.captions,
        tasks=config.tasks,
        licence=config.licence.name,
        attribution=config.licence.attribution,
        origins=config.origins,
    )


def _reader_fields(name: str) -> set[str]:
    from geovec_data.readers import get_reader

    return set(get_reader(name).Options.model_fields)


def _summary(config: BuildConfig, counts: dict[str, Any], *, done: int, units: int, unchanged: bool) -> dict[str, Any]:
    examples = counts["rows"]["examples"]
    rejected = sum(counts["rejects"].values())
    if unchanged:
        human = [f"nothing changed: {config.out} is up to date ({examples:,} examples); nothing was done"]
    else:
        human = [
            f"{config.out}: {counts['rows']['images']:,} images, {counts['rows']['regions']:,} regions,"
            f" {examples:,} examples in {len(counts['tasks'])} tasks; {rejected:,} rows refused"
        ]
        if rejected:
            human.append("refused: " + ", ".join(f"{k} {v:,}" for k, v in counts["rejects"].items()))
    return {
        "command": "build",
        "recipe": config.name,
        "out": str(config.out),
        "units": units,
        "units_done": done,
        "unchanged": unchanged,
        "counts": counts,
        "human": human,
    }


def _refuse_foreign(out: Path) -> None:
    """Refuse to write among files that are no dataset's."""
    if out.exists() and not out.is_dir():
        raise UserError(f"out={out} is a file; give a directory")
    if out.is_dir() and any(out.iterdir()) and not any((out / n).exists() for n in (MANIFEST, "staging", ".lock")):
        raise UserError(f"out={out} holds other files and no dataset; give an empty or new directory")
    if (out / MANIFEST).is_file():
        from geovec_data.store.manifest import read_manifest

        read_manifest(out)  # an unreadable or newer manifest is an error, not something to overwrite


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
