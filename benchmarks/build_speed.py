"""Build time against the work that no builder can avoid, and against Hugging Face `datasets`.

    python benchmarks/build_speed.py work=/tmp/bench images=4000 expressions=9000 repeats=3

Three commands over the same generated DIOR-RSVG corpus (800×800 JPEGs), in turn, each as a whole process tree:
`geovec-data build`; a bare script with as many processes that reads, hashes (sha256), decodes at reduced size and
writes the bytes; and `datasets.Dataset.from_generator(num_proc=2)` + `save_to_disk` doing the same hash and decode.
Memory is taken at a quarter of the corpus too: it must not grow.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.measure import Run, machine, median, run, save

HERE = Path(__file__).parent

BARE = """
import hashlib, io, os, sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from PIL import Image

def work(part):
    files, target = part
    with open(target, "wb") as out:
        for f in files:
            data = Path(f).read_bytes()
            hashlib.sha256(data).hexdigest()
            image = Image.open(io.BytesIO(data))
            image.draft("L", (64, 64))
            image.load()
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return len(files)

if __name__ == "__main__":
    root, target, n = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    target.mkdir(parents=True)
    files = sorted(str(p) for p in (root / "JPEGImages").iterdir())
    parts = [(files[i::n], str(target / f"{i}.bin")) for i in range(n)]
    with ProcessPoolExecutor(n) as pool:
        assert sum(pool.map(work, parts)) == len(files)
"""

PEER = """
import hashlib, io, sys
from pathlib import Path
import datasets
from PIL import Image

datasets.disable_progress_bars()

def rows(files):
    for f in files:
        data = Path(f).read_bytes()
        image = Image.open(io.BytesIO(data))
        image.draft("L", (64, 64))
        image.load()
        yield {"id": hashlib.sha256(data).hexdigest(), "bytes": data}

if __name__ == "__main__":
    root, target, cache = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    files = sorted(str(p) for p in (root / "JPEGImages").iterdir())
    made = datasets.Dataset.from_generator(rows, gen_kwargs={"files": files}, num_proc=2, cache_dir=cache)
    made.save_to_disk(target, num_proc=2)
    assert len(made) == len(files)
"""


def main(options: dict[str, str]) -> None:
    """Generate, run in turn, save the ratios."""
    from tests.fixtures.voc import write_rsvg

    work = Path(options["work"])
    images, expressions = int(options.get("images", 4000)), int(options.get("expressions", 9000))
    repeats, workers = int(options.get("repeats", 3)), int(options.get("workers", 2))
    corpora = {n: work / f"corpus-{n}" for n in (images // 4, images)}
    for n, root in corpora.items():
        if not root.is_dir():
            write_rsvg(root, images=n, expressions=expressions * n // images, size=800, seed=0, many=True)
    (work / "bare.py").write_text(BARE, encoding="utf-8")
    (work / "peer.py").write_text(PEER, encoding="utf-8")
    runs: dict[str, list[Run]] = {"geovec": [], "bare": [], "datasets": [], "geovec_quarter": []}
    again: list[float] = []
    peak: dict[str, float] = {}
    for turn in range(-1, repeats + 1):  # the first warms the page cache; the last is for memory: watching slows
        for name, done in runs.items():
            shutil.rmtree(work / "out", ignore_errors=True)
            shutil.rmtree(work / "cache", ignore_errors=True)
            root = corpora[images // 4 if name == "geovec_quarter" else images]
            build = [sys.executable, "-m", "geovec_data.cli", "build", "recipe=rsvg", f"source.root={root}"]
            build += [f"out={work / 'out'}", f"workers={workers}"]
            command = {
                "bare": [sys.executable, str(work / "bare.py"), str(root), str(work / "out"), str(workers)],
                "datasets": [sys.executable, str(work / "peer.py"), str(root), str(work / "out"), str(work / "cache")],
            }.get(name, build)
            os.sync()  # the last run's dirty pages are not this one's to write
            if turn == repeats:
                peak[name] = run(command).peak_mb
                continue
            this = run(command, memory=False)
            if turn < 0:
                continue
            done.append(this)
            if name == "geovec":
                again.append(run(build, memory=False).wall)
            print(name, done[-1].wall, file=sys.stderr, flush=True)

    def ratio(a: str, b: str) -> float:
        return round(median([x.wall / y.wall for x, y in zip(runs[a], runs[b], strict=True)]), 3)

    save(
        HERE / "results" / "build_speed.json",
        {
            "machine": machine(),
            "images": images,
            "expressions": expressions,
            "bytes": sum(p.stat().st_size for p in (corpora[images] / "JPEGImages").iterdir()),
            "wall_over_bare": ratio("geovec", "bare"),
            "wall_over_datasets": ratio("geovec", "datasets"),
            "peak_mb": peak,
            "unchanged_rerun_s": round(median(again), 2),
            "wall_s": {n: [r.wall for r in rs] for n, rs in runs.items()},
            "cpu_s": {n: [r.cpu for r in rs] for n, rs in runs.items()},
        },
    )


if __name__ == "__main__":
    main(dict(a.split("=", 1) for a in sys.argv[1:]))
