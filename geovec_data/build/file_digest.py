"""Hashes of files' content, by which a unit of work knows its input again."""

from __future__ import annotations

import hashlib
from pathlib import Path

_READ_BYTES = 1 << 16
_LARGE_BYTES = 1 << 20
_KEPT = 1024


def file_digest(path: Path) -> str:
    """Return the first 32 hex digits of a file's sha256, or ``absent``."""
    sha = hashlib.sha256()
    try:
        if not path.is_file():  # a named pipe would be waited for
            return "absent"
        with path.open("rb", buffering=0) as handle:
            while chunk := handle.read(_READ_BYTES):
                sha.update(chunk)
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return "absent"
    return sha.hexdigest()[:32]


class FileDigests:
    """The hashes of a process's last large files, taken once each: many entries can be parts of one raster."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int, int], str] = {}

    def of(self, path: Path) -> str:
        """Return `file_digest` of a file."""
        try:
            status = path.stat()
        except (OSError, ValueError):
            return "absent"
        if status.st_size < _LARGE_BYTES:
            return file_digest(path)
        key = path, status.st_size, status.st_mtime_ns
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = file_digest(path)
        return self._known[key]
