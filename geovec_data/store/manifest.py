"""The manifest: what a dataset is. Written last; without it there is no dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from geovec_data.errors import UserError
from geovec_data.schema import SCHEMA_VERSION

MANIFEST = "manifest.json"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shard(_Record):
    """One Parquet file of the dataset: path relative to the dataset, rows, bytes and sha256."""

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str


class Source(_Record):
    """Where a corpus came from, what it obliges to, and what share of it is here.

    Attributes:
        weight: how often training draws one of its examples, against other corpora's.
        cap: the most entries that were taken, or None.
        listed: entries before the cap.
    """

    corpus: str
    title: str
    kind: str
    revision: str | None
    homepage: str
    licence: str
    licence_url: str
    attribution: str
    note: str
    verified: str
    images: int
    weight: float = 1.0
    cap: int | None = None
    listed: int = 0


class TaskInfo(_Record):
    """What a reader of the dataset must know of a task without importing its code."""

    meta_task: str
    query_kind: str
    target_kind: str
    instructions: tuple[str, ...]


class Manifest(_Record):
    """Everything in ``manifest.json``; no clock time and no absolute path, so equal builds are equal bytes."""

    schema_version: int
    tool: str
    fingerprint: str
    recipe: dict[str, Any]
    sources: tuple[Source, ...]
    tasks: dict[str, TaskInfo]
    counts: dict[str, Any]
    leaks: dict[str, Any]
    notes: tuple[str, ...]
    shards: tuple[Shard, ...]

    def files(self, table: str) -> tuple[str, ...]:
        """Return the shard paths of a table, in order."""
        return tuple(s.path for s in self.shards if s.table == table)

    def text(self) -> str:
        """Return the canonical JSON text."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def read_manifest(path: Path) -> Manifest:
    """Read ``path/manifest.json``.

    Raises:
        UserError: when `path` is no dataset, its manifest is unreadable, or a newer GeoVec wrote it.
    """
    file = path / MANIFEST
    if not path.is_dir():
        raise UserError(f"dataset={path}: no such directory. Build one with: geovec-data build recipe=… out={path}")
    if not file.is_file():
        if failed := _failed(path):
            hint = (
                f"the last build here failed its checks ({failed}); its finished units are kept: build again as it says"
            )
        elif (path / "staging").is_dir():
            hint = "a build was begun here and not finished: run the same build command again to continue it"
        else:
            hint = f"build one with: geovec-data build recipe=… out={path}"
        raise UserError(f"dataset={path} is not a GeoVec dataset (no {MANIFEST}); {hint}")
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        version = raw["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is unreadable ({error}); restore it, or delete it and run the build again") from error
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise UserError(
            f"{file} has schema version {version}; this GeoVec reads up to {SCHEMA_VERSION}. Upgrade geovec."
        )
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise UserError(f"{file} is damaged at '{where}': {first['msg']}; delete it and run the build again") from error


def _failed(path: Path) -> str:
    """Return the first line of why the last build failed, or nothing when it did not."""
    try:
        told = json.loads((path / "summary.json").read_text(encoding="utf-8")).get("failed", "")
    except (OSError, ValueError, AttributeError):
        return ""
    return next(iter(str(told).splitlines()), "").rstrip(".:")
