"""Rows of different lengths in one array, and strings as numbers: how the trainer holds a split in little memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of different lengths in one array: row i is ``values[offsets[i]:offsets[i + 1]]``."""

    offsets: Ints
    values: Ints

    def row(self, i: int) -> Ints:
        """Return row i (a view)."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def rows(self) -> Ints:
        """Return the row number of every value."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @staticmethod
    def of(rows: Ints, values: Ints, count: int) -> Ragged:
        """Group `values` by `rows` (row numbers, ascending)."""
        lengths = np.bincount(rows, minlength=count)
        return Ragged(np.concatenate([[0], np.cumsum(lengths)]), values)


class Numbers:
    """Strings to consecutive numbers."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = list(names)
        self.number = {n: i for i, n in enumerate(self.names)}

    def of(self, name: str) -> int:
        """Return the name's number; a new name gets the next one."""
        if name not in self.number:
            self.number[name] = len(self.names)
            self.names.append(name)
        return self.number[name]

    def array(self, names: Iterable[str | None]) -> Ints:
        """Return the numbers of names, -1 for None."""
        return np.array([-1 if n is None else self.of(n) for n in names], dtype=np.int64)
