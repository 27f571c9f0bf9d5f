"""Progress of long work: a bar with rate and time left on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOG_EVERY_S = 10.0


def say(line: str) -> None:
    """Print one line for a person, on stderr, so that stdout stays for results."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def bar(total: int | None, unit: str, desc: str, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show progress while the block runs.

    Args:
        total: how many `unit` there are, or None when unknown.
        unit: plural noun, e.g. ``images``.
        desc: what is being done, e.g. ``embedding``.
        done: how many were finished by an earlier run; they do not count in the rate.

    Yields:
        ``advance(n)``, to be called when n more are done.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, initial=done, unit=f" {unit}", desc=desc, dynamic_ncols=True, leave=False) as tq:
            yield lambda n: (tq.update(n), None)[1]
        return
    start = last = time.monotonic()
    count = done

    def advance(n: int) -> None:
        nonlocal count, last
        count += n
        now = time.monotonic()
        if now - last < LOG_EVERY_S:
            return
        last = now
        rate = (count - done) / max(now - start, 1e-9)
        left = f", {_clock((total - count) / rate)} left" if total and rate > 0 else ""
        say(f"{desc}: {count:,}{f' of {total:,}' if total else ''} {unit}, {rate:,.1f}/s{left}")

    yield advance


def _clock(seconds: float) -> str:
    s = int(seconds)
    return f"{s // 3600}:{s % 3600 // 60:02d}:{s % 60:02d}" if s >= 3600 else f"{s // 60}:{s % 60:02d}"
