"""Memory that was freed and that the C library keeps: given back, so that the peak of a step is no later floor."""

from __future__ import annotations

import ctypes
from typing import Any

_M_ARENA_MAX = -8  # mallopt(3)


def one_arena() -> None:
    """Let all threads share one heap from now on: what one of them frees the next can use. Without glibc, nothing."""
    if (mallopt := _of_libc("mallopt")) is not None:
        mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Return free pages to the system; takes a millisecond or two."""
    if (trim := _of_libc("malloc_trim")) is not None:
        trim(0)


def _of_libc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None)
