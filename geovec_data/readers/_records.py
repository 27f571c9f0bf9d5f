"""Layouts with one annotation file for all images: its records become entries, one for each image."""

from __future__ import annotations

import gc
import json
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from geovec_data.errors import UserError
from geovec_data.readers._images import ImageFolders, check_patterns, wrong_layout
from geovec_data.readers._paired import Malformed
from geovec_data.readers._splits import folder_split
from geovec_data.readers.base import Entry, Reader
from geovec_data.records import Reject, Scene
from geovec_data.untrusted.images import BadImage, is_inside


class RecordReader(Reader):
    """Base of readers whose entries carry their record as payload."""

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn a record into a scene; see `Reader.read`."""
        if "fault" in entry.payload:
            yield self.reject(entry, entry.payload["fault"], code=entry.payload["code"])
            return
        try:
            yield from self.parse(entry)
        except BadImage as bad:
            yield self.reject(entry, bad.detail, code=bad.code)
        except Malformed as error:
            yield self.reject(entry, str(error))

    @abstractmethod
    def parse(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Yield the scene of a well-formed record, and a reject for each part of it that says nothing.

        Raises:
            Malformed: the record as a whole cannot be understood.
            BadImage: the image is needed (its size) and cannot be read.
        """

    def reject(
        self,
        entry: Entry,
        detail: str,
        level: Literal["scene", "region", "text"] = "scene",
        code: str = "bad_annotation",
    ) -> Reject:
        """A reject of this entry at the stage of reading."""
        return Reject(corpus=self.corpus, path=entry.key, stage="read", code=code, detail=detail, level=level)

    def files(self, option: str, patterns: tuple[str, ...]) -> list[Path]:
        """Find the annotation files of the patterns of an option, in name order.

        Raises:
            UserError: a pattern leads out of the root, or none finds a file.
        """
        check_patterns(f"reader.{option}", patterns)
        found = {p for g in patterns for p in self.root.glob(g) if p.is_file() and not p.name.startswith(".")}
        if not found:
            raise wrong_layout(self.root, " or ".join(patterns), self.layout)
        return sorted(found)


def entry_of(path: str, payload: dict[str, Any]) -> Entry:
    """The entry of an image; a path that leads out of the root is no file of it, and rejected by the checks."""
    return Entry(path, (path,) if is_inside(path) else (), payload)


def fault(key: str, code: str, detail: str) -> Entry:
    """The entry of a record that cannot be understood; reading it yields the reject."""
    return Entry(key, (), {"code": code, "fault": detail})


def load_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it cannot be read; without it there is no corpus.
    """
    collecting = gc.isenabled()
    gc.disable()  # JSON makes no cycles, yet the collector walks all its lists again and again: four fifths of the time
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is no readable JSON: {error}") from error
    finally:
        if collecting:
            gc.enable()


def image_path(name: str, folders: ImageFolders, split: str | None = None) -> str:
    """Return the source-relative path of an image named in a record: where it is, else where it should be.

    Of several images of one name, that which the record's own folders lead to is taken, else one in a folder named
    like the record's split: corpora number the images of each split from 1.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    found = [p for p in folders.stemmed(path.stem) if PurePosixPath(p).name == path.name]
    if not found:
        return PurePosixPath(folders.folders[0] if folders.folders else ".", path).as_posix()
    found = [p for p in found if f"/{p}".endswith(f"/{path.as_posix()}")] or found
    return next((p for p in found if split and folder_split(p) == split), found[0])
