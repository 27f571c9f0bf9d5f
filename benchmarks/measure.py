"""Run a command as a whole process tree; report wall seconds, CPU seconds and peak private memory."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import subprocess
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

POLL_S = 0.05
_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass(frozen=True, slots=True)
class Run:
    """One finished command.

    Attributes:
        wall: seconds from start to exit.
        cpu: user + system seconds of the tree, processes that outlive their parent included.
        peak_mb: largest sum of memory that belongs to no file and no other process (`own_memory`) in the tree.
    """

    wall: float
    cpu: float
    peak_mb: float


def own_memory(pid: int) -> int:
    """Return the bytes of a process that belong to no file and to no other process: its private dirty pages.

    The unique set size would count clean pages of mapped files as well, which the kernel takes back at will, and
    counts a library's pages or not depending on who else runs it.
    """
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    return 0


def run(command: list[str], env: dict[str, str] | None = None, memory: bool = True) -> Run:
    """Run a command to its end.

    Raises:
        RuntimeError: when it fails; its error output is in the message.
    """
    # else a process whose parent ends first is nobody's here: workers of a fork server are
    ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | (env or {}), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        root = psutil.Process(process.pid)
        while not done.wait(POLL_S):
            total = 0
            try:
                for p in [root, *root.children(recursive=True)]:
                    try:
                        total += own_memory(p.pid)
                    except (psutil.Error, OSError):
                        continue  # it ended between being listed and being asked
            except psutil.NoSuchProcess:
                return
            peak = max(peak, total / 2**20)

    watcher = threading.Thread(target=watch)
    if memory:
        watcher.start()
    _, errors = process.communicate()
    wall = time.perf_counter() - start
    done.set()
    if memory:
        watcher.join()
    _reap()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}: {errors.decode()[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(round(wall, 3), round(cpu, 3), round(peak, 1))


def _reap() -> None:
    """Wait for the processes that the command left behind; their CPU time is counted once they have ended."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def machine() -> dict[str, Any]:
    """Describe the machine in words that a reader can compare with."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
    }


def median(values: list[float]) -> float:
    """Return the middle value."""
    ordered = sorted(values)
    n = len(ordered)
    return ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2


def save(path: Path, result: dict[str, Any]) -> None:
    """Write a result as JSON and print it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, default=asdict)
    path.write_text(text + "\n", encoding="utf-8")
    print(text)
