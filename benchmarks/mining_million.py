"""A million queries in a million candidates: time projected from some blocks of queries, memory measured.

    python benchmarks/mining_million.py work=/tmp/bench                                  (CPU, 256 dimensions)
    python benchmarks/mining_million.py work=/tmp/bench device=cuda dimension=1024 blocks=0     (a GPU, all of it)

Vectors lie on disk, in the store that a mining run maps into memory. In turn, each in a process of its own:

- mine: the whole `geovec_data.mining.mine.run` over a dataset of n examples and n candidates, cut short after `blocks`
  blocks of queries (all of the dataset's columns are read, all else is done for these blocks): its peak memory;
- search: the search alone, of the same blocks and with what mining asks for: its time, and that of all n by proportion;
- bare: matrix products of the same sizes and nothing else, the corpus in memory: 32 bits on the CPU, bf16 on a GPU.

Memory is private memory, as in `measure.py`: pages of the mapped files are the kernel's to take back.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import mining_inputs as inputs
from benchmarks.measure import machine, run, save

K = 100
BLOCK = 8192  # queries; what mining takes at a time


def generate(work: Path, n: int, dimension: int) -> None:
    """Write vectors and a dataset that has them in its store, in pieces."""
    if (work / "dataset" / "manifest.json").is_file():
        return
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    rng = np.random.default_rng(7)
    arrays = [
        np.lib.format.open_memmap(work / f"{name}.npy", "w+", np.float32, (n, dimension))
        for name in ("queries", "corpus")
    ]
    for top in range(0, n, BLOCK):
        for array in arrays:
            some = rng.standard_normal((min(BLOCK, n - top), dimension), dtype=np.float32)
            array[top : top + BLOCK] = some / np.linalg.norm(some, axis=1, keepdims=True)
    asked, right = inputs.write_dataset(work / "dataset", np.arange(n))
    inputs.write_store(work, asked, right, *arrays)


def mine(work: Path, blocks: int, device: str) -> dict[str, Any]:
    """Mine the first blocks."""
    from geovec_data.mining import mine, task

    whole = task.blocks
    task.blocks = lambda scope, pool: islice(whole(scope, pool), blocks or None)
    options = {"dataset": work / "dataset", "encoder": str(work / "encoder"), "k": 8, "depth": K, "device": device}
    inputs.forget_run(work)
    begun = time.perf_counter()
    summary = mine.run(mine.MineConfig.model_validate(options))
    return {"seconds": round(time.perf_counter() - begun, 2), "negatives": summary["negatives"]}


def search(work: Path, blocks: int, device: str) -> dict[str, Any]:
    """Search the first blocks, of a store that is mapped from disk."""
    from geovec_data.dataset import Dataset
    from geovec_data.mining.cache import EmbeddingStore, Key
    from geovec_data.mining.model_folder import fingerprint
    from geovec_data.mining.search.making import SearchMaker
    from geovec_data.mining.search_config import SearchConfig
    from geovec_data.mining.stored_corpus import Stored
    from geovec_data.render import Codecs

    queries = np.load(work / "queries.npy", mmap_mode="r")
    key = Key(fingerprint(work / "encoder"), "target", None, Codecs.named().name)
    store = EmbeddingStore(work / "dataset", key)
    ids = Dataset(work / "dataset").read("qrels", ["item"])["item"].combine_chunks()
    maker = SearchMaker(SearchConfig(), device)
    by = maker.over(Stored(store, ids))
    by.search(np.array(queries[:64]), K)
    done, begun, cpu = 0, time.perf_counter(), time.process_time()
    for top in range(0, len(queries), BLOCK):
        if blocks and top >= blocks * BLOCK:
            break
        scores, _ = by.search(np.array(queries[top : top + BLOCK]), K)
        done += len(scores)
    spent, used = time.perf_counter() - begun, time.process_time() - cpu
    return timed(spent, used, done, len(queries)) | {"searched": maker.facts(), "again": getattr(by, "again", 0)}


def bare(work: Path, blocks: int, device: str) -> dict[str, Any]:
    """Multiply the first blocks."""
    import torch

    queries = np.load(work / "queries.npy", mmap_mode="r")
    kind = torch.float32 if device == "cpu" else torch.bfloat16
    corpus = torch.from_numpy(np.load(work / "corpus.npy")).to(device, kind)
    rows = 512 if device == "cpu" else BLOCK
    wide = 16384 if device == "cpu" else len(corpus)
    done, begun, cpu = 0, time.perf_counter(), time.process_time()
    for top in range(0, len(queries), BLOCK):
        if blocks and top >= blocks * BLOCK:
            break
        block = torch.from_numpy(np.array(queries[top : top + BLOCK])).to(device, kind)
        for row in range(0, len(block), rows):
            for column in range(0, len(corpus), wide):
                _ = block[row : row + rows] @ corpus[column : column + wide].T
        done += len(block)
    if device != "cpu":
        torch.cuda.synchronize()
    return timed(time.perf_counter() - begun, time.process_time() - cpu, done, len(queries))


def timed(spent: float, cpu: float, done: int, n: int) -> dict[str, Any]:
    """Return seconds, and those of all queries by proportion."""
    return {
        "queries": done,
        "seconds": round(spent, 2),
        "cpu_seconds": round(cpu, 2),
        "seconds_for_all": round(spent * n / done),
        "cpu_seconds_for_all": round(cpu * n / done),
    }


CHILDREN = {"mine": mine, "search": search, "bare": bare}


def main(arguments: list[str]) -> None:
    options = {"work": "/tmp/geovec-bench", "n": "1000000", "dimension": "256", "blocks": "3", "device": "cpu"}
    options |= {"parts": "mine,search,bare", "out": ""}
    options |= dict(a.split("=", 1) for a in arguments)
    n, dimension, device = int(options["n"]), int(options["dimension"]), options["device"]
    work = Path(options["work"]) / f"million-{n}-{dimension}"
    run([sys.executable, __file__, "child=generate", str(work), str(n), str(dimension)], memory=False)
    result: dict[str, Any] = {"machine": machine(), "versions": inputs.versions(), "n": n, "dimension": dimension}
    result |= {"k": K, "device": device}
    for name in options["parts"].split(","):
        out = work / f"{name}.json"
        whole = run([sys.executable, __file__, f"child={name}", str(work), options["blocks"], device, str(out)])
        result[name] = json.loads(out.read_text(encoding="utf-8")) | {"peak_mb": whole.peak_mb}
    if {"search", "bare"} <= set(result):
        what = "cpu_seconds" if device == "cpu" else "seconds"
        result["search_to_bare"] = round(result["search"]["seconds"] / result["bare"]["seconds"], 3)
        result[f"search_to_bare_{what}"] = round(result["search"][what] / result["bare"][what], 3)
    name = f"mining_million_{device.partition(':')[0]}_{n}_{dimension}.json"
    save(Path(options["out"] or Path(__file__).parent / "results" / name), result)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))
    if sys.argv[1:2] == ["child=generate"]:
        generate(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] and sys.argv[1].startswith("child="):
        folder, blocks, device, file = sys.argv[2:]
        found = CHILDREN[sys.argv[1].partition("=")[2]](Path(folder), int(blocks), device)
        Path(file).write_text(json.dumps(found), encoding="utf-8")
    else:
        main(sys.argv[1:])
