"""Mining on a Ray cluster of several nodes, of which one dies while it encodes and one while it searches."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from geovec_data.errors import DataFault
from geovec_data.mining.cluster.pool import Pool
from geovec_data.mining.mine import MineConfig, run
from tests.fixtures.encoders import small_tiny
from tests.fixtures.handmade import painted
from tests.fixtures.ray_cluster import NODE, started

pytest.importorskip("ray", reason="ray is not installed: pip install 'geovec[ray]'")
pytestmark = pytest.mark.slow  # a node's processes load torch

NEAR = 1e-5


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def cluster() -> Iterator[Any]:
    with started() as made:
        yield made


def mine(dataset: Path, encoder: Path, **options: Any) -> dict[str, Any]:
    given = {"dataset": dataset, "encoder": str(encoder), "device": "cpu", "batch": 4, **options}
    return run(MineConfig.model_validate(given))


def rows(dataset: Path, table: str) -> dict[tuple[str, int], tuple[str, float]]:
    """(example, rank) → (item, score)."""
    found = pq.read_table(dataset / "mining/default" / f"{table}.parquet").to_pylist()
    return {(r["example"], r["rank"], r.get("source", r.get("kind"))): (r["item"], r["score"]) for r in found}


def test_two_nodes_killed_at_work_change_nothing(
    cluster: Any, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = painted(tmp_path / "data", scenes=40)
    alone = tmp_path / "alone"
    shutil.copytree(dataset, alone)
    local = mine(alone, tiny)
    doomed = {"encoding": cluster.add_node(**NODE), "searching": cluster.add_node(**NODE)}
    whole = Pool._assign

    def watched(self: Pool, *given: Any) -> None:
        whole(self, *given)
        for phase, node in list(doomed.items()):
            for actor in self._there:
                at_it = any(task.name.startswith(phase) for task in actor.flying.values())
                if at_it and actor.place.endswith(node.node_id[:8]):  # it was just given what it will not finish
                    cluster.remove_node(node, allow_graceful=False)
                    del doomed[phase]
                    break

    monkeypatch.setattr(Pool, "_assign", watched)
    facts = mine(dataset, tiny, engine="ray", ray_address=cluster.address)
    assert not doomed
    told = capsys.readouterr().err
    assert "ray: 3 machines of a Ray cluster" in told
    assert told.count("was lost; what it was at is done by another") == 2
    assert facts["embedding"]["encoded"] == local["embedding"]["encoded"]
    assert facts["device"] == "3 machines of a Ray cluster"
    for table in ("candidates", "negatives"):
        here, there = rows(alone, table), rows(dataset, table)
        assert here.keys() == there.keys()
        assert len(here) > 100
        scores = np.array([[score for _, score in side.values()] for side in (here, {k: there[k] for k in here})])
        np.testing.assert_allclose(scores[0], scores[1], atol=NEAR)
        for place, (item, score) in here.items():
            if there[place][0] != item:  # only where another of the example's candidates scores alike
                other = [s for (example, *_), (i, s) in here.items() if example == place[0] and i == there[place][0]]
                assert any(abs(s - score) <= NEAR for s in other), place


def test_a_fault_on_a_machine_is_told_as_here(cluster: Any, tiny: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    diverged = tmp_path / "model"
    shutil.copytree(tiny, diverged)
    weights = load_file(diverged / "model.safetensors")
    save_file({n: w * np.nan for n, w in weights.items()}, diverged / "model.safetensors", metadata={"format": "pt"})
    dataset = painted(tmp_path / "data", scenes=3)
    with pytest.raises(DataFault, match=r"gives NaN, infinite or zero vectors for \d+ of \d+ items"):
        mine(dataset, diverged, engine="ray", ray_address=cluster.address, tasks=["image_to_text"])
