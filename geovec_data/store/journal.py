"""The journal: which units are staged, from which input. Exempt from byte equality (it holds times)."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """A finished unit.

    Attributes:
        unit: name, ``<corpus>-<bucket>``.
        stat: hash of the input's keys, sizes, mtimes and of the recipe.
        content: hash of the input's keys and bytes and of the recipe.
        files: table → (rows, bytes, sha256) of the staged shard.
        counts: what the unit holds, for the summary.
    """

    unit: str
    stat: str
    content: str
    files: dict[str, tuple[int, int, str]]
    counts: dict[str, int]


class Journal:
    """Finished units by name, and the key of the last finished final stage."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / JOURNAL
        self.units: dict[str, UnitRecord] = {}
        self.final: str | None = None
        if self._file.is_file():
            text = self._file.read_text(encoding="utf-8")
            if text and not text.endswith("\n"):  # cut short by a kill: what follows must start a line of its own
                with self._file.open("a", encoding="utf-8") as handle:
                    handle.write("\n")
            for line in text.splitlines():
                try:
                    self._take(json.loads(line))
                except (ValueError, TypeError, KeyError):
                    continue  # the cut line: the unit's own unit.json is asked next

    def _take(self, raw: dict[str, Any]) -> None:
        if "final" in raw:
            self.final = raw["final"]
            return
        record = unit_record(raw)
        self.units[record.unit] = record
        self.final = None

    def add(self, record: UnitRecord) -> None:
        """Record a finished unit."""
        self.units[record.unit] = record
        self.final = None
        self._append(asdict(record))

    def finish(self, key: str) -> None:
        """Record that the final stage is done for `key`, and fold the journal to one line a unit."""
        self.final = key
        lines = [json.dumps(asdict(self.units[u])) for u in sorted(self.units)] + [json.dumps({"final": key})]
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        temporary.replace(self._file)

    def _append(self, raw: dict[str, Any]) -> None:
        with self._file.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(raw) + "\n")
            handle.flush()
            os.fsync(handle.fileno())


def unit_record(raw: dict[str, Any]) -> UnitRecord:
    """Rebuild a record from its JSON form."""
    return UnitRecord(
        unit=raw["unit"],
        stat=raw["stat"],
        content=raw["content"],
        files={k: (int(v[0]), int(v[1]), str(v[2])) for k, v in raw["files"].items()},
        counts={k: int(v) for k, v in raw["counts"].items()},
    )
