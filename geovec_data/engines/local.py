"""The local engine: units in a pool of processes on this machine. Results come as they finish."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from queue import SimpleQueue

from geovec_data.build.forking import PRELOADED, workers_or_cores
from geovec_data.build.unit import Job, Unit
from geovec_data.engines.worker import Action, Done, Workers
from geovec_data.errors import ResourceFault
from geovec_data.store.journal import UnitRecord

_GARBAGE = 50_000  # rows wait in lists until a unit is whole: nothing that the collector could free

_workers: Workers | None = None


def _start(jobs: Mapping[str, Job], parent: int) -> None:
    global _workers  # noqa: PLW0603 - one worker a process is what a pool initializer is for
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle
    gc.freeze()  # what was loaded before is shared with the process this one was forked from, and stays
    gc.set_threshold(_GARBAGE)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    _workers = Workers(jobs)


def _die_with(parent: int) -> None:
    """End this worker when the build was killed: nothing else would tell it."""
    while True:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(1.0)


def _do(action: Action, unit: Unit) -> UnitRecord | str:
    assert _workers is not None
    return _workers.do(action, unit)


def process(jobs: Mapping[str, Job], units: Sequence[Unit], workers: int, action: Action) -> Iterator[Done]:
    """Run `action` on every unit; yields ``(unit, result)`` in the order they finish.

    Args:
        jobs: corpus → what its units need.
        units: units of any of these corpora; they share one pool.
        workers: processes; 0: one a core.
        action: ``run`` makes the unit, ``content`` hashes its input.

    Raises:
        ResourceFault: when a worker process died (out of memory, most often).
    """
    if not units:
        return
    workers = workers_or_cores(workers)
    if workers == 1 or len(units) == 1:
        single = Workers(jobs)
        for unit in units:
            yield unit, single.do(action, unit)
        return
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    count = min(workers, len(units))
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start, initargs=(dict(jobs), os.getpid()))
    waiting: dict[Future[UnitRecord | str], Unit] = {}
    finished: SimpleQueue[Future[UnitRecord | str]] = SimpleQueue()
    todo = iter(units)
    try:
        while True:
            for unit in todo:
                future = pool.submit(_do, action, unit)
                waiting[future] = unit
                future.add_done_callback(finished.put)
                if len(waiting) >= 2 * count:  # a short queue: units are pickled when they are due, not all at once
                    break
            if not waiting:
                return
            future = finished.get()  # not `wait`: it holds the futures' locks, and Ctrl-C in it leaves them held
            yield waiting.pop(future), future.result()
    except BrokenProcessPool as error:
        raise ResourceFault(
            "a worker process was killed (out of memory?); finished units are kept: run the same command again,"
            " with fewer workers=… if it happens again"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
