"""One caption that is right for very many: what it costs, here and in `mine_hard_negatives`.

    python benchmarks/mining_many.py work=/tmp/bench n=50000 many=5000        (n=5000 many=500 for a quick look)

n candidates and n - many + 1 queries. *spread*: the candidates that are left over are each the second positive of a
query. *one*: all of them are right for one query, which they resemble, as pictures of one class resemble their class
name. Vectors, queries, candidates and pairs are as many in both; only whose the positives are differs. For each the
whole mining run (as in `mining_search.py`) and the whole `mine_hard_negatives`, each in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import mining_inputs as inputs
from benchmarks.measure import machine, median, run, save
from benchmarks.mining_search import Clock, K, child_ours


def owners(kind: str, n: int, many: int) -> Any:
    """Return the query that each candidate is right for."""
    count = n - many + 1
    more = np.zeros(many - 1, np.int64) if kind == "one" else 1 + np.arange(many - 1) % (count - 1)
    return np.concatenate([np.arange(count), more])


def generate(work: Path, kind: str, n: int, many: int) -> None:
    """Write vectors and a dataset that has them in its store."""
    if (work / "dataset" / "manifest.json").is_file():
        return
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    rng = np.random.default_rng(7)
    queries, corpus = (rng.standard_normal((size, inputs.DIMENSION), dtype=np.float32) for size in (n - many + 1, n))
    corpus[: len(queries)] = queries + np.float32(0.5) * corpus[: len(queries)]
    corpus[len(queries) :] = queries[0] + np.float32(0.5) * corpus[len(queries) :]
    for array, name in ((queries, "queries"), (corpus, "corpus")):
        array /= np.linalg.norm(array, axis=1, keepdims=True)
        np.save(work / f"{name}.npy", array)
    asked, right = inputs.write_dataset(work / "dataset", owners(kind, n, many))
    inputs.write_store(work, asked, right, queries, corpus)


def theirs(work: Path, kind: str, n: int, many: int, faiss: bool) -> dict[str, Any]:
    """Run `mine_hard_negatives`."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    queries, corpus = inputs.vectors(work)
    anchors, positives = inputs.texts(n)
    owner = owners(kind, n, many)
    model = inputs.stub_encoder(anchors[: len(queries)], queries, positives, corpus)
    data = Dataset.from_dict({"anchor": [anchors[o] for o in owner], "positive": positives})
    clock = Clock()
    out = mine_hard_negatives(data, model, num_negatives=K, output_format="n-tuple", use_faiss=faiss, verbose=False)
    return {**clock.read(), "negatives": len(out) * K}


def main(arguments: list[str]) -> None:
    options = {"work": "/tmp/geovec-bench", "n": "50000", "many": "5000", "repeats": "3", "peers": "faiss,matmul"}
    options |= {"out": "", "threads": str(os.cpu_count())}
    options |= dict(a.split("=", 1) for a in arguments)
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = options["threads"]  # of the children
    n, many, peers = int(options["n"]), int(options["many"]), [p for p in options["peers"].split(",") if p]
    result: dict[str, Any] = {"machine": machine(), "versions": inputs.versions(), "n": n, "many": many, "k": K}
    for name in ("ours", *peers):
        runs: dict[str, list[dict[str, Any]]] = {"spread": [], "one": []}
        for _ in range(int(options["repeats"]) if name == "ours" else 1):
            for kind, done in runs.items():
                work = Path(options["work"]) / f"many-{kind}-{n}-{many}"
                generate(work, kind, n, many)
                out = work / f"{name}.json"
                whole = run([sys.executable, __file__, f"child={name}", str(work), kind, str(n), str(many), str(out)])
                done.append(json.loads(out.read_text(encoding="utf-8")) | {"peak_mb": whole.peak_mb})
        ratio = {
            what: round(median([r[what] for r in runs["one"]]) / median([r[what] for r in runs["spread"]]), 3)
            for what in ("seconds", "cpu_seconds", "peak_mb")
        }
        result[name] = {"runs": runs, "one_to_spread": ratio}
    save(Path(options["out"] or Path(__file__).parent / "results" / f"mining_many_{n}.json"), result)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("child="):
        name, folder, kind, n, many, file = sys.argv[1].partition("=")[2], *sys.argv[2:]
        work = Path(folder)
        found = child_ours(work) if name == "ours" else theirs(work, kind, int(n), int(many), name == "faiss")
        Path(file).write_text(json.dumps(found), encoding="utf-8")
    else:
        main(sys.argv[1:])
