"""Mining without encoding against bare search, and against sentence-transformers' `mine_hard_negatives`.

    python benchmarks/mining_search.py work=/tmp/bench n=50000 repeats=3      (n=5000 for a quick look)

n queries × n candidates × 256 dimensions, k = 100, on the CPU, on random and on clustered vectors. In turn, each in
a process of its own, over the same vectors:

- ours: the whole `geovec_data.mining.mine.run` over a dataset whose vectors are already in its store: reading the
  dataset, search, policy, choice of 100 negatives per example, and both Parquet files on disk;
- bare: GEMM + `torch.topk` and nothing else, in the fastest of a sweep of tile shapes and GEMM backends;
- faiss, matmul: the whole `mine_hard_negatives` call with and without FAISS, its encoder a stub that returns the
  vectors, 100 negatives per query, output kept in memory, in the output format that is cheapest for it.

Seconds are of the call, with every module imported before. Peak memory is the process's own. Ids are compared with
exact search: a row may differ only among scores that are equal within 1e-6.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import mining_inputs as inputs
from benchmarks.measure import machine, median, run, save
from benchmarks.mining_table import table

K = 100
SHAPES = [(rows, columns) for rows in (256, 512, 1024, 2048) for columns in (8192, 16384, 65536)]
SWEEP_QUERIES = 2048


class Clock:
    """Wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Return both."""
        return {"seconds": time.perf_counter() - self._wall, "cpu_seconds": time.process_time() - self._cpu}


def bare(queries: Any, corpus: Any, rows: int, columns: int, backend: str) -> tuple[Any, Any]:
    """Top k by GEMM + torch.topk in tiles of rows × columns, a running merge where there are several."""
    import torch

    q, c = torch.from_numpy(queries), torch.from_numpy(corpus)
    scores, ids = torch.empty(len(q), K), torch.empty(len(q), K, dtype=torch.int64)
    for top in range(0, len(q), rows):
        best = None
        for left in range(0, len(c), columns):
            if backend == "torch":
                tile = q[top : top + rows] @ c[left : left + columns].T
            else:
                tile = torch.from_numpy(queries[top : top + rows] @ corpus[left : left + columns].T)
            values, where = torch.topk(tile, min(K, tile.shape[1]), dim=1)
            where += left
            if best is not None:
                both, names = torch.cat([best[0], values], 1), torch.cat([best[1], where], 1)
                values, order = torch.topk(both, K, dim=1)
                where = names.gather(1, order)
            best = (values, where)
        assert best is not None
        scores[top : top + rows], ids[top : top + rows] = best
    return scores, ids


def child_sweep(work: Path) -> dict[str, Any]:
    queries, corpus = inputs.vectors(work)
    some = queries[:SWEEP_QUERIES]
    table: dict[str, float] = {}
    for _ in range(2):
        for backend in ("torch", "numpy"):
            for rows, columns in SHAPES:
                start = time.perf_counter()
                bare(some, corpus, rows, columns, backend)
                name = f"{backend} {rows}x{min(columns, len(corpus))}"
                seconds = (time.perf_counter() - start) * len(queries) / len(some)
                table[name] = round(min(seconds, table.get(name, 1e9)), 3)
    return {"seconds_for_all": table, "best": min(table, key=lambda name: table[name])}


def child_bare(work: Path, shape: str) -> dict[str, Any]:
    backend, _, size = shape.partition(" ")
    rows, columns = (int(v) for v in size.split("x"))
    queries, corpus = inputs.vectors(work)
    import torch

    torch.topk(torch.rand(4, 200), 100)
    clock = Clock()
    scores, ids = bare(queries, corpus, rows, columns, backend)
    spent = clock.read()
    np.savez(work / "exact.npz", scores=scores.numpy(), ids=ids.numpy())
    return spent


def child_ours(work: Path) -> dict[str, Any]:
    import torch  # noqa: F401  # imports are not what is measured

    from geovec_data.mining.mine import MineConfig
    from geovec_data.mining.mine import run as mine

    config = MineConfig(
        dataset=work / "dataset",
        encoder=str(work / "encoder"),
        k=K,
        depth=K + 4,
        device="cpu",
        overwrite=True,
    )
    inputs.forget_run(work)
    clock = Clock()
    summary = mine(config)
    return {**clock.read(), "negatives": summary["negatives"], "stages": summary["seconds"]}


def child_theirs(work: Path, faiss: bool) -> dict[str, Any]:
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    queries, corpus = inputs.vectors(work)
    anchors, positives = inputs.texts(len(queries))
    model = inputs.stub_encoder(anchors, queries, positives, corpus)
    data = Dataset.from_dict({"anchor": anchors, "positive": positives})
    clock = Clock()
    out = mine_hard_negatives(data, model, num_negatives=K, output_format="n-tuple", use_faiss=faiss, verbose=False)
    return {**clock.read(), "negatives": len(out) * K}


CHILDREN: dict[str, Callable[..., dict[str, Any]]] = {
    "sweep": child_sweep,
    "bare": child_bare,
    "ours": child_ours,
    "faiss": lambda work: child_theirs(work, True),
    "matmul": lambda work: child_theirs(work, False),
}


def measured(name: str, work: Path, *more: str) -> dict[str, Any]:
    """Run one of the children in a process of its own."""
    out = work / f"{name}.json"
    whole = run([sys.executable, __file__, f"child={name}", str(work), str(out), *more])
    return dict(json.loads(out.read_text(encoding="utf-8"))) | {
        "peak_mb": whole.peak_mb,
        "process_seconds": whole.wall,
    }


def compare(work: Path) -> dict[str, Any]:
    """Compare the run's first k candidates with exact search."""
    exact = np.load(work / "exact.npz")
    found, scores = inputs.candidates(work, K)
    differ = np.flatnonzero((found != exact["ids"]).any(1))
    gap = np.abs(scores - exact["scores"]).max()
    return {"rows_with_another_order_or_choice": len(differ), "largest_score_difference": float(gap)}


def main(arguments: list[str]) -> None:
    options = {"work": "/tmp/geovec-bench", "n": "50000", "repeats": "3", "peers": "faiss,matmul", "out": ""}
    options |= {"threads": str(os.cpu_count())}
    options |= dict(a.split("=", 1) for a in arguments)
    n = int(options["n"])
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = options["threads"]  # of the children
    result: dict[str, Any] = {
        "machine": machine(),
        "versions": inputs.versions(),
        "n": n,
        "dimension": 256,
        "k": K,
        "threads": int(options["threads"]),
    }
    peers = [p for p in options["peers"].split(",") if p]
    for kind in ("random", "clustered"):
        work = Path(options["work"]) / f"mining-{kind}-{n}"
        inputs.generate(work, kind, n)
        sweep = measured("sweep", work)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ("bare", "ours", *peers)}
        for repeat in range(int(options["repeats"])):
            for name, done in runs.items():
                if name in peers and repeat >= 2:
                    continue  # these take minutes; two are enough to see their spread
                done.append(measured(name, work, *([sweep["best"]] if name == "bare" else [])))
        seconds = {name: median([r["seconds"] for r in done]) for name, done in runs.items()}
        result[kind] = {
            "sweep": sweep,
            "runs": runs,
            "seconds": seconds,
            "ratio_to_bare": round(
                median([o["seconds"] / b["seconds"] for o, b in zip(runs["ours"], runs["bare"], strict=True)]),
                3,
            ),
            "ratio_to_bare_cpu": round(
                median([o["cpu_seconds"] / b["cpu_seconds"] for o, b in zip(runs["ours"], runs["bare"], strict=True)]),
                3,
            ),
            "times_faster_than": {p: round(seconds[p] / seconds["ours"], 2) for p in peers},
            "peak_mb": {name: max(r["peak_mb"] for r in done) for name, done in runs.items()},
            "exact": compare(work),
        }
    out = options["out"] or str(Path(__file__).parent / "results" / f"mining_search_{n}.json")
    save(Path(out), result)
    Path(out).with_suffix(".md").write_text(table(result), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("child="):
        _, child, folder, file, *more = sys.argv
        outcome = CHILDREN[child.partition("=")[2]](Path(folder), *more)
        Path(file).write_text(json.dumps(outcome), encoding="utf-8")
    else:
        main(sys.argv[1:])
