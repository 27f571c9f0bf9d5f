"""What a search has found, kept block by block on disk until the run ends: a killed run goes on, others can help.

A piece is the outcome for one block of queries against the whole pool. It is written aside and renamed, so it is
there whole or not at all. Whoever searches a block holds its lock, which dies with the process: several processes,
on any devices and machines that see the folder, share the blocks of a run without speaking to each other.
"""

from __future__ import annotations

import fcntl
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from geovec_data.mining.search.corpus import Floats, Ints
from geovec_data.progress import say

Found = tuple[Floats, Ints]


class Pieces:
    """The pieces of one run.

    Args:
        folder: where they are; it belongs to one outcome: encoder, dataset and options of the search.
        helping: this process only searches blocks that nobody else has.
    """

    def __init__(self, folder: Path, *, helping: bool = False) -> None:
        self._folder, self._helping = folder, helping
        self._waited = False
        self.searched = 0
        self.reused = 0
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str, search: Callable[[], Found]) -> Found | None:
        """Return a block's outcome: as it was kept, or searched now and kept.

        Args:
            name: of the block.
            search: searches it.

        Returns:
            The outcome; None while helping, when it is there or another process is at it.
        """
        file = self._folder / f"{name}.npz"
        if file.exists():
            if self._helping:
                return None
            if (found := _read(file)) is not None:
                self.reused += 1
                return found
        with self._claimed(name) as mine:
            if not mine:
                return None
            # whoever had the claim before may have searched it
            if file.exists() and (found := _read(file)) is not None:
                self.reused += 1
                return found
            found = search()
            _write(file, found)
            self.searched += 1
        return found

    @contextmanager
    def _claimed(self, name: str) -> Iterator[bool]:
        with (self._folder / f"{name}.lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._helping:
                    yield False
                    return
                if not self._waited:
                    self._waited = True
                    say("waiting for a block that a helper searches")
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield True


def _read(file: Path) -> Found | None:
    try:
        with np.load(file) as kept:
            return kept["scores"], kept["ids"].astype(np.int64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        say(f"{file.name} is damaged ({error}): its block is searched again")
        return None


def _write(file: Path, found: Found) -> None:
    scores, ids = found
    small = ids.astype(np.int32) if ids.max(initial=0) < 1 << 31 else ids
    aside = file.with_name(f".{file.stem}.{os.getpid()}.npz")
    with aside.open("wb") as sink:
        np.savez(sink, scores=scores, ids=small)
    aside.replace(file)
