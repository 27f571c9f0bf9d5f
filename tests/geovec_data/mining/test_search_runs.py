"""The search inside a mining run: options, resumption after kill -9, several processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from geovec_data.errors import UserError
from geovec_data.mining import task as mining_task
from geovec_data.mining.config import MineConfig
from geovec_data.mining.mine import run
from geovec_data.mining.search.exact import Tiled
from tests.fixtures.handmade import painted
from tests.fixtures.vectors import decided

BLOCK = 4
KILLED = """
import os, signal, sys
from geovec_data.mining import task
from geovec_data.mining.config import MineConfig
from geovec_data.mining.mine import run
from geovec_data.mining.search.exact import Tiled
task.BLOCK = int(sys.argv[3])
search, done = Tiled.search, []
def killed(self, queries, k):
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(1)
    return search(self, queries, k)
Tiled.search = killed
run(MineConfig(dataset=sys.argv[1], encoder=sys.argv[2], device="cpu", tasks=["image_to_text"], k=2, depth=8))
"""


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("search_runs")
    dataset = painted(path / "dataset", scenes=60)
    items = pq.read_table(next((dataset / "items").iterdir()))["id"].to_pylist()
    rng = np.random.default_rng(3)
    return dataset, decided(dataset, path / "encoder", {i: rng.standard_normal(8).tolist() for i in items})


def mine(mined: tuple[Path, str], **options: Any) -> dict[str, Any]:
    fixed = {"dataset": mined[0], "encoder": mined[1], "device": "cpu", "tasks": ["image_to_text"], "k": 2}
    return run(MineConfig.model_validate(fixed | {"depth": 8} | options))


def tables(dataset: Path, name: str) -> list[Any]:
    folder = dataset / "mining" / name
    return [
        pq.read_table(folder / f"{t}.parquet").drop_columns(["run"] if t == "negatives" else []).to_pylist()
        for t in ("candidates", "negatives", "positive_scores")
    ]


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The depths of the searches that were made, in blocks of four examples."""
    monkeypatch.setattr(mining_task, "BLOCK", BLOCK)
    depths: list[int] = []
    search = Tiled.search

    def counted(self: Tiled, queries: Any, k: int) -> Any:
        depths.append(k)
        return search(self, queries, k)

    monkeypatch.setattr(Tiled, "search", counted)
    return depths


def test_a_killed_run_goes_on_where_it_was(mined: tuple[Path, str], searches: list[int]) -> None:
    dataset, encoder = mined
    mine(mined, run="whole")
    of_whole = list(searches)
    searches.clear()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(dataset), encoder, str(BLOCK)], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = dataset / "mining/.unfinished/default"
    (found,) = left.glob("search-*")
    kept = len(list(found.glob("image_to_text-*.npz")))
    assert 1 <= kept <= 2  # the second may have been found and not yet written
    mine(mined)
    assert of_whole.count(8) - searches.count(8) == kept  # these blocks were not searched again
    assert tables(dataset, "default") == tables(dataset, "whole")
    assert not left.exists()
    assert sorted(p.name for p in (dataset / "mining/default").iterdir()) == [
        "candidates.parquet",
        "negatives.parquet",
        "positive_scores.parquet",
        "summary.json",
    ]


def test_what_another_search_found_is_not_taken(mined: tuple[Path, str], searches: list[int]) -> None:
    dataset, _ = mined
    other = dataset / "mining/.unfinished/changed/search-0123456789abcdef"
    other.mkdir(parents=True)
    (other / "image_to_text-x.npz").write_bytes(b"of another depth")
    mine(mined, run="changed")
    assert not other.parent.exists()
    assert searches.count(8)


def test_helpers_search_and_the_miner_reads(
    mined: tuple[Path, str], searches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, _ = mined
    mine(mined, run="alone")
    blocks = searches.count(8)
    searches.clear()
    done = mine(mined, run="shared", helper=True)
    assert done["blocks"] == done["searched"] == blocks == searches.count(8)
    assert done["human"] == [f"searched {blocks} of {blocks} blocks for run 'shared'"]
    assert not (dataset / "mining/shared").exists()
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun sets them
    monkeypatch.setenv("RANK", "1")
    assert mine(mined, run="shared")["searched"] == 0
    monkeypatch.setenv("RANK", "0")
    searches.clear()
    mine(mined, run="shared")
    assert searches.count(8) == 0
    assert tables(dataset, "shared") == tables(dataset, "alone")
    monkeypatch.setenv("RANK", "1")
    assert mine(mined, run="shared")["human"][0].startswith("nothing to do")


def test_an_approximate_search_says_its_recall(mined: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    exact = mine(mined, run="exact", depth=2, k=1)
    assert exact["search"]["exact"]
    assert exact["search"]["recall"] == {}
    facts = mine(mined, run="rough", depth=2, k=1, search={"dims": 2, "over": 1})
    said = facts["search"]["recall"]["image_to_text"]
    assert said["k"] == 2
    assert said["queries"] > 10
    assert 0 < said["recall"] < 1
    share = f"{100 * said['recall']:.2f} % of the 2 nearest"
    assert f"search=exact (fp32, first 2 dimensions) finds {share} of image_to_text" in capsys.readouterr().err
    assert any(share in line for line in facts["human"])
    again = mine(mined, run="again", k=1, depth=1, reuse="rough")
    assert again["search"] == facts["search"]


def test_whole_pool_shared_among_devices_gives_the_same(mined: tuple[Path, str]) -> None:
    mine(mined, run="one")
    mine(mined, run="three", search={"devices": ["cpu"] * 3})
    assert tables(mined[0], "three") == tables(mined[0], "one")
    assert mine(mined, run="one", search={"devices": ["cpu"]})["human"][0].startswith("nothing to do")


def test_options_of_the_search_are_checked(mined: tuple[Path, str]) -> None:
    with pytest.raises(ValueError, match=r"search\.method=cuvs takes fp32 and fp16, not search.precision=int8"):
        mine(mined, run="x", search={"method": "cuvs", "precision": "int8"})
    with pytest.raises(UserError, match="mined with another search"):
        mine(mined, run="exact", depth=2, k=1, search={"dims": 4})
