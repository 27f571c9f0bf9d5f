"""Batches made ahead in a thread, so that the device does not wait for decoding and tokenising."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

_AHEAD = 2


class Ahead:
    """Iterates over the batches of steps ``first() … steps - 1``, made `_AHEAD` in advance by one thread.

    Decoding and tokenising release the interpreter lock. `waited` is the time the consumer stood waiting.

    Args:
        make: makes the batch of a step.
        first: gives the step to begin with when iteration begins (a resumed run knows it only then).
        steps: total number of steps.
    """

    def __init__(self, make: Callable[[int], dict[str, Any]], first: Callable[[], int], steps: int) -> None:
        self._make, self._first, self._steps = make, first, steps
        self.waited = 0.0

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[dict[str, Any]]:
        ready: queue.Queue[dict[str, Any] | BaseException] = queue.Queue(maxsize=_AHEAD)
        stop = threading.Event()
        first = self._first()

        def put(value: dict[str, Any] | BaseException) -> None:
            while not stop.is_set():
                try:
                    ready.put(value, timeout=0.1)
                    break
                except queue.Full:
                    continue

        def work() -> None:
            try:
                for step in range(first, self._steps):
                    if stop.is_set():
                        return
                    put(self._make(step))
            except BaseException as error:  # handed to the consumer, who raises it
                put(error)

        thread = threading.Thread(target=work, name="geovec-batches", daemon=True)
        thread.start()
        try:
            for _ in range(first, self._steps):
                start = time.perf_counter()
                value = ready.get()
                self.waited += time.perf_counter() - start
                if isinstance(value, BaseException):
                    raise value
                yield value
        finally:
            stop.set()
            thread.join()
