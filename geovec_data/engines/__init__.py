"""Engines: where the units of a build run. Each is a generator of finished units, in the order they finish."""

from __future__ import annotations

from functools import partial

from geovec_data.engines.worker import Process

__all__ = ["Process", "engine"]


def engine(name: str, address: str | None = None) -> Process:
    """Return the engine of that name.

    Args:
        name: ``local`` or ``ray``.
        address: for ray: the cluster's address; see `geovec_data.engines.ray.process`.
    """
    if name == "ray":
        from geovec_data.engines import ray

        return partial(ray.process, address=address)
    from geovec_data.engines import local

    return local.process
