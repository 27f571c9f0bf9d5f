"""Do the cells that are missing, in order of value, until a time of day.

python -m benchmarks.quality.run work=/tmp/quality [models=tiny,mini] [sets=regions] [seeds=0,1,2]
    [arms=best,mined] [budgets=steps,items] [until=16:20]
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from benchmarks.quality.plan import ARMS, RESULTS, SETS, Cell, in_order
from geovec_data.dataset import Dataset


def main(options: dict[str, str]) -> None:
    """Run each missing cell in a process of its own, so that one that fails stops no other."""
    models = tuple(options.get("models", "tiny").split(","))
    sets = options.get("sets", ",".join(SETS)).split(",")
    arms = options.get("arms", ",".join(ARMS)).split(",")
    budgets = options.get("budgets", "steps,items").split(",")
    seeds = tuple(int(s) for s in options.get("seeds", "0,1,2").split(","))
    for cell in in_order(models, seeds):
        if (
            cell.data not in sets
            or cell.arm not in arms
            or cell.budget not in budgets
            or _known(cell, Path(options["work"]))
        ):
            continue
        if datetime.now().strftime("%H:%M") >= options.get("until", "24:00"):
            print("time is up; the same command goes on", flush=True)
            return
        given = [f"{n}={getattr(cell, n)}" for n in ("data", "model", "arm", "seed", "budget")]
        print(datetime.now().strftime("%H:%M"), cell.name, flush=True)
        command = [sys.executable, "-m", "benchmarks.quality.cell", f"work={options['work']}", *given]
        if code := subprocess.run(command, check=False).returncode:
            print(f"{cell.name} ended with {code}", flush=True)


def _known(cell: Cell, work: Path) -> bool:
    """Tell whether a cell is done.

    Raises:
        ValueError: when it is of a dataset that was built otherwise: cells of two datasets do not compare.
    """
    file, dataset = RESULTS / f"{cell.name}.json", work / cell.data
    if not file.is_file():
        return False
    if json.loads(file.read_text(encoding="utf-8"))["dataset_fingerprint"] != Dataset(dataset).manifest.fingerprint:
        raise ValueError(
            f"{file} is of another {cell.data} than {dataset}: remove the files of that set, and {work}/runs"
        )
    return True


if __name__ == "__main__":
    main(dict(a.split("=", 1) for a in sys.argv[1:]))
