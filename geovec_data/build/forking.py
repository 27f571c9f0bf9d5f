"""The process that a build's workers are forked from: begun before all else, ended before the final stage.

What it loads the build's own process loads too, at the same time: so this module imports next to nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from multiprocessing import forkserver, get_context, resource_tracker
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geovec_data.recipe.recipe import BuildConfig

PRELOADED = [
    "geovec_data.build.unit",
    "geovec_data.build.checks",
    "geovec_data.engines.local",
    "geovec_data.tasks",
    "geovec_data.readers._images",
    "PIL.Image",
]
# an argument that begins so can mean that no worker of this machine is needed
_MAYBE_NONE = ("engine=", "dry_run=", "workers=1")
_begun: list[str] | None = None  # readers' modules that it loads; None: it is not begun


def workers_or_cores(workers: int) -> int:
    """Return `workers`, or the number of cores this process may use when it is 0."""
    return workers or len(os.sched_getaffinity(0))


def warm_up_early(arguments: Sequence[str]) -> None:
    """Begin to load what all workers need before the arguments are read, unless they may say that none is needed."""
    # BLAS would keep a thread for each core spinning in every process; what is multiplied here is small
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    given = [a.lstrip("+") for a in arguments]
    wanted = any(a.startswith("recipe=") for a in given) and any(a.startswith("out=") for a in given)
    if wanted and not any(a.startswith(_MAYBE_NONE) for a in given) and workers_or_cores(0) > 1:
        _begin([])


def warm_up(config: BuildConfig) -> None:
    """Begin to load what workers need, readers' modules (`Reader.modules`) included; a second call does nothing."""
    if config.engine != "local" or config.dry_run or workers_or_cores(config.workers) == 1:
        return
    from geovec_data.readers import get_reader

    _begin(sorted({m for c in config.corpora for m in get_reader(c.reader.name).modules}))


def _begin(modules: list[str]) -> None:
    global _begun  # noqa: PLW0603 - there is one such process
    if _begun is not None and not set(modules) <= set(_begun):
        if (pid := forkserver._forkserver._forkserver_pid) is not None:  # type: ignore[attr-defined]
            os.kill(pid, signal.SIGTERM)  # it was begun without them, and may be loading still
        cool_down()
    if _begun is None:
        get_context("forkserver").set_forkserver_preload([*PRELOADED, *modules])
        resource_tracker.ensure_running()  # it would unblock the signal
        # Ctrl-C goes to all processes of the terminal; in one that loads it would end in a traceback
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _begun = modules


def cool_down() -> None:
    """End that process: it holds all that the workers loaded, and the final stage needs none of it."""
    global _begun  # noqa: PLW0603 - see above
    _begun = None
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # no public way; one that is asked for again starts
