"""Memory that was freed and that the C library keeps: given back, so that the peak of a step is no later floor."""

from __future__ import annotations

import ctypes
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # mallopt(3)
_OWN_PAGES = 1 << 20  # bytes from which a block has pages of its own; with fewer, getting them would cost too much
_SPARE = 4 << 20  # bytes that wait at the end of the heap for the next block: what is given back must be asked for


def lean_heap() -> None:
    """Let all threads share one heap from now on, and keep large blocks out of it. Without glibc, nothing happens.

    What one thread frees the next can use, and what is large goes back to the system as soon as it is freed: glibc
    would keep ever larger blocks for reuse, and the peak of a build would grow with the number of its images.
    """
    if (mallopt := _of_libc("mallopt")) is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES)
        mallopt(_M_TRIM_THRESHOLD, _SPARE)


def give_back() -> None:
    """Return free pages to the system; takes a millisecond or two."""
    if (trim := _of_libc("malloc_trim")) is not None:
        trim(0)


def _of_libc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None)
