"""Work on the next blocks while the last one is written; outcomes come in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 4  # blocks worked on at once: each has some hundred megabytes of candidates


def ahead(work: Callable[[T], R], inputs: Iterable[T]) -> Iterator[tuple[T, R]]:
    """Yield every input with the outcome of the work on it, in order; a few are worked on at once, by threads.

    The first is worked on alone, so that what all need is made once.
    """
    left = iter(inputs)
    for first in left:
        yield first, work(first)
        break
    workers = min(MOST, os.cpu_count() or 1)
    waiting: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for one in left:
            waiting.append((one, pool.submit(work, one)))
            if len(waiting) > workers:
                done, outcome = waiting.popleft()
                yield done, outcome.result()
        while waiting:
            done, outcome = waiting.popleft()
            yield done, outcome.result()
