"""The policy alone: every candidate of a stored run judged anew, and the negatives chosen and written.

    python benchmarks/mining_policy.py work=/tmp/bench images=100000        (images=10000 for a quick look)

`images` with five captions each make 5 · images queries, 100 candidates a query: 50 million rows for 100,000 images.
Images have class, place, footprint and hash, captions ten words; so every rule but those of boxes and OSM objects has
something to read. What is measured is `geovec-data mine reuse=first` with a margin beside the default policy, in a
process of its own: reading the dataset and the candidates, all rules, the choice of 8 negatives an example, and both
Parquet files. The first run, whose candidates are drawn by chance, is made once and not measured. The policy writes
nothing to disk but its output; the size of that is reported.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import policy_inputs as inputs
from benchmarks.measure import machine, run, save

DEPTH = 100


def child(work: Path) -> dict[str, Any]:
    """Apply the changed policy; return what it came to."""
    from geovec_data.mining.mine import run as mine

    options = inputs.config(work, run="second", reuse="first", depth=DEPTH, k=8, policy={"relative_margin": 0.05})
    shutil.rmtree(work / "dataset/mining/second", ignore_errors=True)
    begun, cpu = time.perf_counter(), time.process_time()
    summary = mine(options)
    facts = summary["tasks"][inputs.TASK]
    return {
        "seconds": round(time.perf_counter() - begun, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "candidates": facts["candidates"],
        "negatives": summary["negatives"],
        "drops": {rule: n for rule, n in facts["drops"].items() if n},
        "written_mb": round(sum(f.stat().st_size for f in (work / "dataset/mining/second").iterdir()) / 2**20),
    }


def main(arguments: list[str]) -> None:
    options = {"work": "/tmp/geovec-bench", "images": "100000", "out": ""}
    options |= dict(a.split("=", 1) for a in arguments)
    images = int(options["images"])
    work = Path(options["work"]) / f"policy-{images}"
    run([sys.executable, __file__, "child=generate", str(work), str(images)], memory=False)
    out = work / "measured.json"
    whole = run([sys.executable, __file__, "child=policy", str(work), str(out)])
    result = {
        "machine": machine(),
        "images": images,
        "examples": images * inputs.CAPTIONS,
        **json.loads(out.read_text(encoding="utf-8")),
        "process_seconds": whole.wall,
        "process_cpu_seconds": whole.cpu,
        "peak_mb": whole.peak_mb,
    }
    name = f"mining_policy_{result['candidates']}.json"
    save(Path(options["out"] or Path(__file__).parent / "results" / name), result)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))
    if sys.argv[1] == "child=generate":
        inputs.generate(Path(sys.argv[2]), int(sys.argv[3]), DEPTH)
    elif sys.argv[1] == "child=policy":
        Path(sys.argv[3]).write_text(json.dumps(child(Path(sys.argv[2]))), encoding="utf-8")
    else:
        main(sys.argv[1:])
