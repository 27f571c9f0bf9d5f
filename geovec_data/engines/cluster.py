"""A Ray cluster: found, connected to for the time of a command, and told about in words when it is not there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from geovec_data.errors import UserError

ANSWER_S = 10.0  # seconds that a cluster's head may take to answer
# what begins HTTP/2, which gRPC speaks: the client's preface and an empty frame of settings; the server sends its own
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4


def ray_module() -> Any:
    """Import ray.

    Raises:
        UserError: when it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError("engine=ray needs ray on every machine: pip install 'geovec[ray]'") from error
    return ray


@contextmanager
def connected(ray: Any, address: str | None) -> Iterator[None]:
    """Connect to the cluster for the time of the block, unless the process is connected already.

    Args:
        ray: the module.
        address: of a running cluster (``auto``, ``host:port``); None: RAY_ADDRESS, else a cluster of this machine.

    Raises:
        UserError: when no cluster answers.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    wanted = address or os.environ.get("RAY_ADDRESS")
    own = {} if wanted else {"include_dashboard": False}
    try:
        _knock(wanted)
        ray.init(address=wanted or "local", log_to_driver=False, logging_level="error", **own)
    except (OSError, ValueError) as error:
        raise UserError(
            f"ray_address={wanted}: no Ray cluster answers there ({str(error).splitlines()[0]}). Start one with:"
            " ray start --head, or leave ray_address out for a cluster of this machine alone"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str | None) -> None:
    """Ask whether something at ``host:port`` speaks gRPC: ray itself would try for minutes, and print each try."""
    host, _, port = (address or "").rpartition(":")
    if not host or not port.isdigit():
        return
    with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S) as connection:
        connection.sendall(_GREETING)
        answer = connection.recv(9)
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise OSError("what listens there is no Ray head")
