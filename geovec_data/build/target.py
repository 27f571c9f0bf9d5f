"""The directory that a build writes into: whether it is a dataset's, and which of its files are damaged."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from geovec_data.build.jobs import Part
from geovec_data.errors import UserError
from geovec_data.progress import say
from geovec_data.store.journal import JOURNAL, Journal
from geovec_data.store.manifest import MANIFEST, read_manifest
from geovec_data.store.staging import staged_name

# how a line of the journal begins; the first can be cut short by a kill
_LINES = ('{"unit": "', '{"final": "')
_BEFORE_TABLES = {".lock", "staging", JOURNAL}  # all units stand in the journal before anything else is written
_AT_WORK = re.compile(r"\..+-\d{5,}\..+")  # a unit that a worker was killed at


def refuse_foreign(out: Path, parts: Sequence[Part]) -> None:
    """Refuse to write among files that are no dataset's, or over a dataset that shares no corpus with this build.

    Raises:
        UserError: saying what is there.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"out={out} is a file; give a directory")
    if out.is_dir() and not _is_ours(out):
        raise UserError(f"out={out} holds other files and no dataset; give an empty or new directory")
    if (out / MANIFEST).is_file():
        # an unreadable or newer manifest is an error, not something to overwrite
        there = {s.corpus for s in read_manifest(out).sources}
        if there.isdisjoint(p.name for p in parts):
            raise UserError(
                f"out={out} is a dataset of {', '.join(sorted(there))}, and this build is of"
                f" {', '.join(sorted(p.name for p in parts))}; give another out=, or delete that dataset"
            )


def _is_ours(out: Path) -> bool:
    """Say whether a build may put its tables here: what has their names is deleted then."""
    names = {p.name for p in out.iterdir()}
    if not names or (out / MANIFEST).is_file():
        return True
    journal = out / JOURNAL
    lines = journal.read_text(encoding="utf-8", errors="replace").splitlines() if journal.is_file() else []
    if any(line.startswith(_LINES) for line in lines):
        return True
    return (
        names <= _BEFORE_TABLES
        and names != {JOURNAL}
        and all(any(begin.startswith(line) for begin in _LINES) for line in lines)
        and ("staging" not in names or _is_staging(out / "staging"))
    )


def _is_staging(staging: Path) -> bool:
    """Say whether a folder holds nothing but staged units, whole or begun."""
    if not staging.is_dir():
        return False
    with os.scandir(staging) as entries:
        return all(
            e.is_dir() and (_AT_WORK.fullmatch(e.name) or (staging / e.name / "unit.json").is_file()) for e in entries
        )


def damaged_shards(out: Path) -> list[str]:
    """Say which shards of the finished dataset are missing or of another size; none where there is no dataset."""
    if not (out / MANIFEST).is_file():
        return []
    found = []
    for shard in read_manifest(out).shards:
        file = out / shard.path
        if not file.is_file():
            found.append(f"{shard.path} is missing")
        elif (size := file.stat().st_size) != shard.bytes:
            found.append(f"{shard.path} has {size:,} bytes, not {shard.bytes:,}")
    return found


def drop_damaged_units(staging: Path, journal: Journal) -> None:
    """Remove the staged units whose images have another hash: big image shards are links to them, and share damage."""
    for record in journal.units.values():
        file = staging / record.unit / staged_name("images")
        if not file.is_file():
            continue
        with file.open("rb") as handle:
            sha = hashlib.file_digest(handle, "sha256").hexdigest()
        if sha != record.files["images"][2]:
            say(f"build: {file} is damaged; unit {record.unit} is done again")
            shutil.rmtree(staging / record.unit)
