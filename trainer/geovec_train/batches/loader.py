"""Batches made ahead in a thread, so that the device does not wait for decoding and tokenising."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

_AHEAD = 2


class Ahead:
    """Iterates over the batches of steps ``first() … steps - 1``, made `_AHEAD` in advance by one thread.

    Decoding and tokenising release the interpreter lock. At a stop nothing is made ahead: what `begin` does there can
    depend on the weights of that step and change the batches that follow.

    Args:
        make: makes the batch of a step.
        first: gives the step to begin with when iteration begins (a resumed run knows it only then).
        steps: total number of steps.
        stops: steps, ascending.
        begin: called by the consumer's thread before the batch of each stop is made, and before the very first one.

    Attributes:
        waited: seconds for which the consumer stood waiting.
        paused: seconds that `begin` took.
        drawn: examples in the batches that were handed out.
    """

    def __init__(
        self,
        make: Callable[[int], dict[str, Any]],
        first: Callable[[], int],
        steps: int,
        *,
        stops: Sequence[int] = (),
        begin: Callable[[int], None] = lambda step: None,
    ) -> None:
        self._make, self._first, self._steps = make, first, steps
        self._stops, self._begin = stops, begin
        self.waited = self.paused = 0.0
        self.drawn = 0

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[dict[str, Any]]:
        first = self._first()
        for start, end in pairwise([first, *(s for s in self._stops if first < s < self._steps), self._steps]):
            begun = time.perf_counter()
            self._begin(start)
            self.paused += time.perf_counter() - begun
            yield from self._between(start, end)

    def _between(self, first: int, end: int) -> Iterator[dict[str, Any]]:
        ready: queue.Queue[dict[str, Any] | BaseException] = queue.Queue(maxsize=_AHEAD)
        stop = threading.Event()

        def put(value: dict[str, Any] | BaseException) -> None:
            while not stop.is_set():
                try:
                    ready.put(value, timeout=0.1)
                    break
                except queue.Full:
                    continue

        def work() -> None:
            try:
                for step in range(first, end):
                    if stop.is_set():
                        return
                    put(self._make(step))
            except BaseException as error:  # handed to the consumer, who raises it
                put(error)

        thread = threading.Thread(target=work, name="geovec-batches", daemon=True)
        thread.start()
        try:
            for _ in range(first, end):
                start = time.perf_counter()
                value = ready.get()
                self.waited += time.perf_counter() - start
                if isinstance(value, BaseException):
                    raise value
                self.drawn += len(value["examples"])
                yield value
        finally:
            stop.set()
            thread.join()
