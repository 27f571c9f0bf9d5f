"""The Ray engine: units as tasks on a cluster whose machines share the storage of the source and of `out`.

The unit is ours, not Ray's: what a task writes is the same staged folder as the local engine's, so the result is
byte-identical, and a unit whose machine dies is run again on another. Only records travel through Ray.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from geovec_data.build.unit import Job, Unit
from geovec_data.engines.cluster import connected, ray_module
from geovec_data.engines.worker import Action, Done, Workers
from geovec_data.errors import ResourceFault, UserError
from geovec_data.ids import digest
from geovec_data.progress import say
from geovec_data.store.journal import UnitRecord

RETRIES = 5  # of a unit whose machine or process died
QUEUED = 2  # tasks waiting for each core: enough to keep it busy, few enough to keep units off the wire until due

_workers: dict[str, Workers] = {}


def process(
    jobs: Mapping[str, Job], units: Sequence[Unit], workers: int, action: Action, *, address: str | None = None
) -> Iterator[Done]:
    """Run `action` on every unit on a Ray cluster; yields ``(unit, result)`` in the order they finish.

    Args:
        jobs: corpus → what its units need; paths are made absolute, as they must be the same on every machine.
        units: units of any of these corpora.
        workers: the most tasks at once; 0: as many as the cluster has cores.
        action: ``run`` makes the unit, ``content`` hashes its input.
        address: of a running cluster (``auto``, ``host:port``); None: RAY_ADDRESS, else a cluster of this machine.

    Raises:
        UserError: when ray is not installed or no cluster answers; when a machine does not see the storage.
        ResourceFault: when a unit's machine died again and again.
    """
    if not units:
        return
    ray = ray_module()
    with connected(ray, address):
        there = {c: replace(j, root=j.root.resolve(), staging=j.staging.resolve()) for c, j in jobs.items()}
        token, sent = digest(repr(sorted(there.items()))), ray.put(there)
        task = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(_do)
        cores = int(ray.cluster_resources().get("CPU", 1))
        most = workers or cores * QUEUED
        say(f"ray: {sum(n['Alive'] for n in ray.nodes())} machines, {cores} cores")
        waiting: dict[Any, Unit] = {}
        places: Counter[str] = Counter()
        todo = iter(units)
        try:
            while True:
                while len(waiting) < most and (unit := next(todo, None)) is not None:
                    waiting[task.remote(token, sent, action, unit)] = unit
                if not waiting:
                    break
                (ref, *_), _ = ray.wait(list(waiting), num_returns=1)
                unit = waiting.pop(ref)
                place, result = _result(ray, ref, unit)
                places[place] += 1
                yield unit, result
        finally:
            for ref in waiting:
                ray.cancel(ref, force=False)
        if action == "run":
            shares = ", ".join(f"{n:,} on {place}" for place, n in sorted(places.items()))
            say(f"ray: {len(units):,} units: {shares}")


def _do(token: str, jobs: Mapping[str, Job], action: Action, unit: Unit) -> tuple[str, UnitRecord | str]:
    """Run one unit in a process of the cluster; returns where, and the result."""
    import ray

    if token not in _workers:
        _workers.clear()  # of an earlier build: its readers may hold much
        _workers[token] = Workers(jobs)
    staging = jobs[unit.corpus].staging
    if not staging.is_dir():
        raise UserError(
            f"machine {socket.gethostname()} does not see {staging}: with engine=ray, out= and the source must lie on"
            " storage that all machines share under the same path"
        )
    node = ray.get_runtime_context().get_node_id()[:8]
    return f"{socket.gethostname()}/{node}", _workers[token].do(action, unit)


def _result(ray: Any, ref: Any, unit: Unit) -> tuple[str, UnitRecord | str]:
    from ray.exceptions import RayError, RayTaskError

    try:
        found: tuple[str, UnitRecord | str] = ray.get(ref)
    except RayTaskError as error:
        raise error.cause or error from error  # what the unit raised: the build explains it as the local engine's
    except RayError as error:
        raise ResourceFault(
            f"unit {unit.name} was lost {RETRIES + 1} times with its machine or process"
            f" ({str(error).splitlines()[0]}); finished units are kept: run the same command again"
        ) from error
    return found
