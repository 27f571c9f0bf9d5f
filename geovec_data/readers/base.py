"""What a reader is: it turns one on-disk layout into Scenes; many corpora share it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from geovec_data.records import Reject, Scene


class ReaderOptions(BaseModel):
    """Base of a reader's options: unknown keys are errors, every field has a description (it is the help)."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece of work that a unit holds: usually one image with its annotation.

    Attributes:
        key: stable name inside the corpus, usually the annotation's or image's source-relative posix path;
            its hash chooses the unit, so adding an entry moves no other.
        files: source-relative posix paths whose size and mtime (or content) decide whether this entry
            must be read again. Files that are missing may be listed.
        payload: JSON-able record, for entries that are rows of one shared annotation file; it is part of
            the entry's fingerprint, so list only `files` of its own there.
    """

    key: str
    files: tuple[str, ...]
    payload: Any = None


class Reader(ABC):
    """Base class of readers. Constructed once in the main process and once in each worker.

    Subclasses set `name`, `layout`, `Options`; implement `entries` and `read`; import heavy packages inside
    methods only, so that ``geovec-data --help`` and a no-op build stay fast.

    Args:
        root: the corpus's folder.
        options: an instance of the subclass's `Options`.
        corpus: recipe name, copied into every Scene and Reject.
    """

    name: ClassVar[str]
    layout: ClassVar[str]  # a few lines that show the expected tree, printed by `describe` and by errors
    Options: ClassVar[type[ReaderOptions]] = ReaderOptions
    modules: ClassVar[tuple[str, ...]] = ()  # what `read` imports that is slow to load: workers are forked with it

    def __init__(self, root: Path, options: Any, corpus: str) -> None:
        self.root = root
        self.options = options
        self.corpus = corpus

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """List the entries, cheaply, without opening images.

        Raises:
            UserError: when the root is not of this layout; says what was expected and what was found.
        """

    def shared(self) -> tuple[Path, ...]:
        """Return files that every entry depends on (a labels file); a change in one redoes all units."""
        return ()

    @classmethod
    def knowledge(cls) -> str:
        """Return a hash of the tables, shipped with the package, that decide what is read; empty: there are none."""
        return ""

    @abstractmethod
    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Read one entry. A malformed record yields a Reject; it never raises for bad data.

        Runs in a worker process. Scenes may leave `data` None: the check stage then reads ``root/path``.
        """
