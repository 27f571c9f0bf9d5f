"""What searches that are not exact find, and what they cost: recall and CPU seconds against the exact search.

    python benchmarks/mining_finders.py n=50000 queries=8192

The vectors of `mining_search.py` (random and clustered, 256 dimensions), k = 100, every method with the options that
it has by default. Building an index is given apart from searching. Recall is of all queries; none of these vectors
comes from a Matryoshka encoder, so what is found by their first dimensions is the worst case.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import mining_inputs as inputs
from benchmarks.measure import machine, save
from geovec_data.mining.search.corpus import Matrix
from geovec_data.mining.search.making import SearchMaker, recall_of
from geovec_data.mining.search.rescored import Rescored
from geovec_data.mining.search_config import SearchConfig

K = 100
OPTIONS: list[dict[str, Any]] = [
    {},
    {"precision": "bf16"},
    {"precision": "int8"},
    {"dims": 64},
    {"dims": 64, "precision": "int8"},
    {"method": "faiss_flat"},
    {"method": "faiss_ivf"},
    {"method": "faiss_ivf", "precision": "int8"},
    {"method": "faiss_hnsw"},
]


def measure(options: dict[str, Any], queries: Any, corpus: Any, exact: Any) -> tuple[dict[str, Any], Any]:
    """Search with some options; return what it cost and found, and the scores."""
    search = SearchMaker(SearchConfig(**options), "cpu").over(Matrix(corpus))
    cpu = time.process_time()
    search.search(queries[:1], K)  # makes the index
    built, begun, cpu = time.process_time() - cpu, time.perf_counter(), time.process_time()
    scores, _ = search.search(queries, K)
    facts = {
        "build_cpu_seconds": round(built, 2),
        "seconds": round(time.perf_counter() - begun, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "recall": round(recall_of(scores, scores if exact is None else exact), 5),
    }
    if isinstance(search, Rescored):
        facts["searched_again_exactly"] = search.again
    return facts, scores


def main(arguments: list[str]) -> None:
    options = {"work": "/tmp/geovec-bench", "n": "50000", "queries": "8192", "out": ""}
    options |= dict(a.split("=", 1) for a in arguments)
    n = int(options["n"])
    result: dict[str, Any] = {"machine": machine(), "versions": inputs.versions(), "n": n, "k": K}
    for kind in ("random", "clustered"):
        work = Path(options["work"]) / f"mining-{kind}-{n}"
        inputs.generate(work, kind, n)
        queries, corpus = inputs.vectors(work)
        some = np.ascontiguousarray(queries[np.random.default_rng(3).permutation(n)[: int(options["queries"])]])
        exact, result[kind] = None, {}
        for how in OPTIONS:
            name = " ".join(f"{k}={v}" for k, v in how.items()) or "exact"
            result[kind][name], scores = measure(how, some, corpus, exact)
            exact = scores if exact is None else exact
    save(Path(options["out"] or Path(__file__).parent / "results" / f"mining_finders_{n}.json"), result)


if __name__ == "__main__":
    main(sys.argv[1:])
