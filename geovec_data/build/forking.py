"""The process that a build's workers are forked from: begun before all else, ended before the final stage.

What it loads the build's own process loads too, at the same time: so this module imports next to nothing.
"""

from __future__ import annotations

import os
from multiprocessing import forkserver, get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geovec_data.recipe.recipe import BuildConfig

PRELOADED = [
    "geovec_data.build.unit",
    "geovec_data.build.checks",
    "geovec_data.engines.local",
    "geovec_data.tasks",
    "PIL.Image",
]


def workers_or_cores(workers: int) -> int:
    """Return `workers`, or the number of cores this process may use when it is 0."""
    return workers or len(os.sched_getaffinity(0))


def warm_up(config: BuildConfig) -> None:
    """Begin to load what workers need, readers' modules (`Reader.modules`) included; a second call does nothing."""
    if config.engine != "local" or config.dry_run or workers_or_cores(config.workers) == 1:
        return
    from geovec_data.readers import get_reader

    modules = sorted({m for c in config.corpora for m in get_reader(c.reader.name).modules})
    get_context("forkserver").set_forkserver_preload([*PRELOADED, *modules])
    forkserver.ensure_running()


def cool_down() -> None:
    """End that process: it holds all that the workers loaded, and the final stage needs none of it."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # no public way; one that is asked for again starts
