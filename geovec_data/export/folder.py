"""The folder an export writes: shards appear under their name when they are whole, so that a re-run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from geovec_data.errors import UserError

SETTINGS = "export.json"


class Folder:
    """An export's folder, of one dataset and one set of options.

    Args:
        path: the folder.
        settings: what decides the bytes of an export, JSON-able.

    Raises:
        UserError: when the folder holds something else, or an export with other settings.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self.written = self.kept = 0
        file = path / SETTINGS
        if path.exists() and not path.is_dir():
            raise UserError(f"out={path} is a file; give a directory")
        if file.is_file():
            self._compare(file, settings)
            return
        if path.is_dir() and any(path.iterdir()):
            raise UserError(f"out={path} holds other files and no export; give an empty or new directory")
        path.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def _compare(self, file: Path, settings: dict[str, Any]) -> None:
        try:
            there = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(f"{file} is unreadable ({error}); delete {self.path} and export again") from error
        differs = sorted(k for k in {*there, *settings} if there.get(k) != settings.get(k))
        if differs:
            raise UserError(
                f"out={self.path} holds an export with another {', '.join(differs)}; choose another out=, or delete it"
            )

    def put(self, name: str, write: Callable[[Path], object]) -> None:
        """Write a file unless it is there already; it gets its name when it is whole."""
        target = self.path / name
        if target.exists():
            self.kept += 1
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            write(aside)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
        self.written += 1


def extension(format_name: str) -> str:
    """Return the file extension of an image format, without the dot."""
    known = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp", "BMP": "bmp", "GIF": "gif"}
    return known.get(format_name, "jp2")


class Pictures:
    """Image files beside an export's tables, each written once.

    Args:
        folder: the export's folder.
        read: image id → encoded bytes.
        formats: image id → format name (``JPEG``, ``PNG``, …).
    """

    def __init__(self, folder: Folder, read: Callable[[str], bytes], formats: dict[str, str]) -> None:
        self._folder, self._read, self._formats = folder, read, formats
        self._done: set[str] = set()

    def path(self, image: str) -> str:
        """Return an image's path in the export, and write it there when it is not there."""
        name = f"images/{image[:2]}/{image}.{extension(self._formats[image])}"
        if image not in self._done:
            self._folder.put(name, partial(write_bytes, self._read(image)))
            self._done.add(image)
        return name


def write_text(text: str, path: Path) -> None:
    """Write a text file in UTF-8."""
    path.write_text(text, encoding="utf-8")


def write_bytes(data: bytes, path: Path) -> None:
    """Write a file."""
    path.write_bytes(data)
