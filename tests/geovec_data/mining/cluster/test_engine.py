"""Search by shards of the pool, and how a cluster is shared among actors; without a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_data.errors import UserError
from geovec_data.mining.cache import EmbeddingStore, Key
from geovec_data.mining.cluster.engine import ShardedSearch, _share
from geovec_data.mining.cluster.pool import Task
from geovec_data.mining.cluster.worker import Job, Worker
from geovec_data.mining.config import MineConfig
from geovec_data.mining.crew import crew
from geovec_data.mining.search.corpus import Matrix
from geovec_data.mining.search.exact import tiled
from geovec_data.mining.search_config import SearchConfig
from tests.fixtures.handmade import painted

KEY = Key("f" * 64, "target", None, "qwen2vl+lat_lon")


class Ref:
    def __init__(self, value: Any) -> None:
        self.value = value

    def hex(self) -> str:
        return str(id(self))


class Here:
    """Ray and a pool of actors, all in this process."""

    def __init__(self, dataset: Path, actors: int) -> None:
        self.worker = Worker(Job(dataset, "x", dataset, "f" * 64, "cpu", 8, 1, SearchConfig()))
        self.actors = actors

    def put(self, value: Any) -> Ref:
        return Ref(value)

    def __len__(self) -> int:
        return self.actors

    @property
    def search(self) -> Any:
        return self

    def remote(self, *given: Any) -> Any:
        return self.worker.search(*(g.value if isinstance(g, Ref) else g for g in given))

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        done = [(task, task.call(self)) for task in tasks]
        yield from reversed(done)  # in the order they finish


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 60),
    actors=st.integers(1, 7),
    k=st.integers(1, 70),
    levels=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_shards_find_what_the_whole_does_ties_by_order(
    tmp_path_factory: pytest.TempPathFactory, count: int, actors: int, k: int, levels: int, seed: int
) -> None:
    dataset = tmp_path_factory.mktemp("d")
    draw = np.random.default_rng(seed)
    vectors = draw.integers(0, levels, (count, 3)).astype(np.float32)  # few values: many ties
    names = [f"i{n}" for n in range(count)]
    EmbeddingStore(dataset, KEY).add(names, vectors)
    queries = draw.integers(0, levels, (5, 3)).astype(np.float32)
    here = Here(dataset, actors)
    scores, found = ShardedSearch(here, here, KEY, pa.array(names)).search(queries, k)  # type: ignore[arg-type]
    right_scores, right = tiled(Matrix(vectors), ["cpu"]).search(queries, min(k, count))
    np.testing.assert_array_equal(scores, right_scores)
    np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize(
    ("nodes", "cores", "gpus", "count"),
    [
        ([{"CPU": 8.0}], 8, 0, 1),
        ([{"CPU": 4.0}, {"CPU": 8.0}, {}], 4, 0, 3),
        ([{"CPU": 16.0, "GPU": 4.0}, {"CPU": 64.0}], 4, 1, 4),
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 6.0, "GPU": 2.0}], 3, 1, 4),
    ],
)
def test_an_actor_for_each_gpu_or_else_for_each_machine(
    nodes: list[dict[str, float]], cores: int, gpus: int, count: int
) -> None:
    assert _share(nodes) == (cores, gpus, count)


def test_without_ray_the_way_to_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from geovec_data.dataset import Dataset

    dataset = Dataset(painted(tmp_path / "d", scenes=3))
    monkeypatch.setitem(sys.modules, "ray", None)
    config = MineConfig(dataset=dataset.path, encoder="x", engine="ray")
    with pytest.raises(UserError, match=r"engine=ray needs ray on every machine: pip install 'geovec\[ray\]'"):  # noqa: SIM117
        with crew(config, dataset, tmp_path, "f" * 64):
            pass


def test_a_machine_that_does_not_see_the_encoder_says_so(tmp_path: Path) -> None:
    worker = Worker(Job(tmp_path, "x", tmp_path / "none", "f" * 64, "cpu", 8, 1, SearchConfig()))
    pytest.importorskip("ray", reason="ray is not installed: pip install 'geovec[ray]'")
    with pytest.raises(UserError, match=r"does not see encoder=.*none: with engine=ray"):
        worker.ready()
