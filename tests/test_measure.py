"""The benchmarks' measure counts the CPU time of processes that outlive their parent."""

from __future__ import annotations

import subprocess
import sys

BURN = "import time\nwhile time.process_time() < 0.5: pass"
LEAVE = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN!r}], stderr=subprocess.DEVNULL)"


def test_a_process_that_outlives_its_parent_is_counted() -> None:
    # in a process of its own: the measure waits for all of its process's children
    asked = f"from benchmarks.measure import run; print(run({[sys.executable, '-c', LEAVE]!r}, memory=False).cpu)"
    out = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert float(out) >= 0.5
