"""Several processes that mine one dataset with one encoder at once: no item is encoded twice, no cache is corrupt."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fixtures.encoders import small_tiny
from tests.fixtures.handmade import painted

# as the command, but for a signal on stdout when the first vectors are on disk, and a mark of every item encoded
MINE = """
import os, signal, sys
from geovec_data import cli
from geovec_data.mining import cache, embed
embed.FLUSH_ITEMS = 1
whole, kill_at, calls = cache.EmbeddingStore.add, int(sys.argv[1]), [0]
def add(self, ids, vectors):
    whole(self, ids, vectors)
    calls[0] += 1
    print("stored", flush=True)
    if calls[0] == kill_at:
        sys.stdin.readline()  # until the other process waits for this one
        os.kill(os.getpid(), signal.SIGKILL)
cache.EmbeddingStore.add = add
sys.exit(cli.main(["mine", *sys.argv[2:]]))
"""


pytestmark = pytest.mark.slow  # each process loads torch


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_tiny(tmp_path_factory.mktemp("models") / "tiny")


def start(dataset: Path, tiny: Path, run: str, kill_at: int = 0) -> subprocess.Popen[str]:
    options = [f"dataset={dataset}", f"encoder={tiny}", f"run={run}", "batch=8", "device=cpu"]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", MINE, str(kill_at), *options], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return err


def encoded(dataset: Path, run: str) -> dict[str, Any]:
    work: dict[str, Any] = json.loads((dataset / "mining" / run / "summary.json").read_text())["embedding"]
    return work


def check_stores(dataset: Path) -> int:
    """Every file is whole, every item has one vector of unit length; returns how many vectors there are."""
    count = 0
    for folder in (dataset / "embeddings").iterdir():
        if folder.is_dir():
            names: Counter[str] = Counter()
            for file in folder.glob("*.arrow"):
                table = pa.ipc.open_file(str(file)).read_all()
                names.update(table["id"].to_pylist())
                norms = np.linalg.norm(np.array(table["vector"].to_pylist()), axis=1)
                np.testing.assert_allclose(norms, 1, atol=1e-5)
            assert set(names.values()) == {1}
            assert not list(folder.glob(".*.arrow"))
            count += len(names)
    return count


def test_two_mines_at_once_share_one_encoding(tiny: Path, tmp_path: Path) -> None:
    dataset = painted(tmp_path / "data", scenes=30)
    both = [start(dataset, tiny, run) for run in ("a", "b")]
    for process in both:
        finish(process)
    works = [encoded(dataset, run) for run in ("a", "b")]
    assert sum(w["encoded"] for w in works) == check_stores(dataset)
    assert {w["encoded"] + w["reused"] for w in works} == {check_stores(dataset)}
    a, b = (pq.read_table(dataset / "mining" / run / "negatives.parquet").drop(["run"]) for run in ("a", "b"))
    assert a.equals(b)


def test_killed_with_another_process_waiting_that_one_takes_over(tiny: Path, tmp_path: Path) -> None:
    dataset = painted(tmp_path / "data", scenes=30)
    alone = tmp_path / "alone"
    shutil.copytree(dataset, alone)
    first = start(dataset, tiny, "a", kill_at=2)
    assert first.stdin
    assert first.stdout
    for _ in range(2):
        assert first.stdout.readline() == "stored\n"
    second = start(dataset, tiny, "b")
    assert second.stderr
    said = []
    while not said or "waiting for it" not in said[-1]:
        said.append(second.stderr.readline())
        assert said[-1], said
    first.stdin.write("\n")
    first.stdin.flush()
    first.communicate(timeout=60)
    assert first.returncode == -signal.SIGKILL
    finish(second)
    finish(start(alone, tiny, "b"))
    work, whole = encoded(dataset, "b"), encoded(alone, "b")
    assert work["encoded"] == whole["encoded"] - 16  # two batches of eight were on disk
    assert work["reused"] == whole["reused"] + 16
    assert check_stores(dataset) == check_stores(alone)
    assert not (dataset / "mining/a").exists()
