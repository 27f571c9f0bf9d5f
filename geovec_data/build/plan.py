"""Which units a build has and which of them are still to do."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from geovec_data import __version__
from geovec_data.build.cap import capped
from geovec_data.build.rows import Emitter
from geovec_data.build.unit import Job, Unit
from geovec_data.engines.worker import Process
from geovec_data.errors import UserError
from geovec_data.ids import digest
from geovec_data.readers import get_reader
from geovec_data.readers.base import Entry, Reader
from geovec_data.recipe.recipe import CorpusConfig
from geovec_data.schema import SCHEMA_VERSION
from geovec_data.store.journal import Journal, UnitRecord, unit_record
from geovec_data.store.staging import staged_name

# the parts of a recipe that decide what a unit holds; the split and the place of the source do not
CONTENT_KEYS = ("name", "reader", "chip", "synthesise", "tasks", "licence", "origins")


def recipe_fingerprint(config: CorpusConfig) -> str:
    """Hash what decides a unit's content: recipe parts, checks, units, schema, tool version, the reader's tables."""
    tree = config.model_dump(mode="json")
    parts = {k: tree[k] for k in CONTENT_KEYS}
    checks = {k: v for k, v in tree["checks"].items() if k != "max_reject_fraction"}
    knowledge = get_reader(config.reader.name).knowledge()
    official = config.split.method == "official"
    made = [SCHEMA_VERSION, list(Emitter.TABLES), __version__, knowledge]
    return digest(json.dumps([parts, checks, official, config.units, made], sort_keys=True))


def plan(reader: Reader, recipe: str, config: CorpusConfig) -> tuple[list[Unit], int]:
    """Put the reader's entries, as many as the cap allows, into hash buckets and fingerprint each bucket's input.

    Returns:
        The units, and the number of entries before the cap.

    Raises:
        UserError: when two entries have one key.
    """
    buckets: dict[int, list[Entry]] = defaultdict(list)
    seen: set[str] = set()
    entries, listed = capped(reader.entries(), config.cap, config.cap_seed, config.name, config.origins)
    for entry in entries:
        if entry.key in seen:
            raise UserError(f"{reader.root}: two records have the key '{entry.key}'; keys must be unique")
        seen.add(entry.key)
        buckets[int(digest(entry.key)[:8], 16) % config.units].append(entry)
    shared = [str(_stat(p)) for p in reader.shared()]
    units = []
    for bucket in sorted(buckets):
        content = tuple(sorted(buckets[bucket], key=lambda e: e.key))
        parts = [recipe, *shared]
        for e in content:
            parts += [e.key, json.dumps(e.payload, sort_keys=True, default=str)]
            parts += [f"{f}:{_stat(f'{reader.root}/{f}')}" for f in e.files]
        units.append(Unit(config.name, f"{config.name}-{bucket:05d}", digest(*parts), recipe, content))
    return units, listed


def _stat(path: Path | str) -> tuple[int, int] | None:
    try:
        s = os.stat(path)  # noqa: PTH116 - asked for every file of the corpus
    except (OSError, ValueError):  # ValueError: a name that no file can have (a null byte)
        return None
    return s.st_size, s.st_mtime_ns


def pending(journal: Journal, staging: Path, units: Sequence[Unit]) -> list[Unit]:
    """Return the units that are not staged, or were staged from another input."""
    todo = []
    for unit in units:
        record = journal.units.get(unit.name)
        if record is None or record.stat != unit.stat:
            record = _staged_record(staging, unit)  # renamed, but killed before the journal's line
            if record is not None:
                journal.units[unit.name] = record
        if record is None or not _whole(staging, record):
            todo.append(unit)
    return todo


def _staged_record(staging: Path, unit: Unit) -> UnitRecord | None:
    file = staging / unit.name / "unit.json"
    if not file.is_file():
        return None
    record = unit_record(json.loads(file.read_text(encoding="utf-8")))
    return record if record.stat == unit.stat else None


def _whole(staging: Path, record: UnitRecord) -> bool:
    for table, (_, size, _) in record.files.items():
        stat = _stat(staging / record.unit / staged_name(table))
        if stat is None or stat[0] != size:
            return False
    return True


def same_content(
    jobs: Mapping[str, Job], staging: Path, todo: list[Unit], journal: Journal, workers: int, process: Process
) -> list[Unit]:
    """Drop the units whose content is unchanged although a size or time differs (``rehash=true``)."""
    changed = []
    known = [u for u in todo if u.name in journal.units and _whole(staging, journal.units[u.name])]
    for unit, content in process(jobs, known, workers, "content"):
        record = journal.units[unit.name]
        if record.content == content:
            journal.add(replace(record, stat=unit.stat))
        else:
            changed.append(unit)
    fresh = [u for u in todo if u not in known]
    return sorted(changed + fresh, key=lambda u: u.name)


def forget(journal: Journal, staging: Path, units: Sequence[Unit]) -> None:
    """Remove staged units that the corpora no longer have, and leftovers of killed workers."""
    names = {u.name for u in units}
    for folder in staging.iterdir():
        if folder.name not in names:
            shutil.rmtree(folder)
    for name in set(journal.units) - names:
        del journal.units[name]
