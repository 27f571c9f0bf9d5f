"""Do the cells that are missing, in order of value, until a time of day.

python -m benchmarks.quality.run work=/tmp/quality [models=tiny,mini] [sets=regions] [seeds=0,1,2] [until=16:20]
"""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime

from benchmarks.quality.plan import ARMS, RESULTS, SETS, in_order


def main(options: dict[str, str]) -> None:
    """Run each missing cell in a process of its own, so that one that fails stops no other."""
    models = tuple(options.get("models", "tiny").split(","))
    sets = options.get("sets", ",".join(SETS)).split(",")
    arms = options.get("arms", ",".join(ARMS)).split(",")
    seeds = tuple(int(s) for s in options.get("seeds", "0,1,2").split(","))
    for cell in in_order(models, seeds):
        if cell.data not in sets or cell.arm not in arms or (RESULTS / f"{cell.name}.json").is_file():
            continue
        if datetime.now().strftime("%H:%M") >= options.get("until", "24:00"):
            print("time is up; the same command goes on", flush=True)
            return
        given = [f"{n}={getattr(cell, n)}" for n in ("data", "model", "arm", "seed", "budget")]
        print(datetime.now().strftime("%H:%M"), cell.name, flush=True)
        command = [sys.executable, "-m", "benchmarks.quality.cell", f"work={options['work']}", *given]
        if code := subprocess.run(command, check=False).returncode:
            print(f"{cell.name} ended with {code}", flush=True)


if __name__ == "__main__":
    main(dict(a.split("=", 1) for a in sys.argv[1:]))
