"""Builds on a Ray cluster of several nodes, one of which dies: byte-identical to the local engine's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from geovec_data.build.build import run
from geovec_data.engines import ray as engine
from geovec_data.errors import DataFault, UserError
from geovec_data.recipe.compose import load_build
from tests.fixtures.captions import write_corpus
from tests.fixtures.dataset import build
from tests.fixtures.ray_cluster import NODE, started
from tests.fixtures.rebuilt import snapshot

pytest.importorskip("ray", reason="ray is not installed: pip install 'geovec[ray]'")

UNITS = 40


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), images=80, size=32)


@pytest.fixture(scope="module")
def local(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("local") / "data"
    return snapshot(build("recipe=rsicd", f"source.root={corpus}", f"out={out}", f"units={UNITS}", "workers=1").path)


@pytest.fixture
def cluster() -> Iterator[Any]:
    with started() as made:
        yield made


def arguments(corpus: Path, out: Path, *more: str) -> list[str]:
    return ["recipe=rsicd", f"source.root={corpus}", f"out={out}", f"units={UNITS}", "engine=ray", *more]


def test_a_node_killed_half_way_changes_no_byte(
    cluster: Any,
    corpus: Path,
    local: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    doomed = cluster.add_node(**NODE)
    of_doomed = 0
    result = engine._result

    def watch(*given: Any) -> tuple[str, Any]:
        nonlocal of_doomed
        place, record = result(*given)
        if place.endswith(doomed.node_id[:8]):
            of_doomed += 1
            if of_doomed == 1:  # it holds further units, running or waiting
                cluster.remove_node(doomed, allow_graceful=False)
        return place, record

    monkeypatch.setattr(engine, "_result", watch)
    monkeypatch.chdir(tmp_path)  # a relative out= must mean the same to every node
    built = build(*arguments(corpus, Path("data"), f"ray_address={cluster.address}"))
    assert snapshot(built.path) == local
    told = capsys.readouterr().err
    assert "ray: 2 machines, 2 cores" in told
    assert of_doomed >= 1
    assert told.count(" on ") == 2, "both nodes did some of the units"
    summary = run(load_build(arguments(corpus, Path("data"), f"ray_address={cluster.address}"), "build"))
    assert summary["unchanged"]
    assert summary["units_done"] == 0


def test_engines_can_be_changed_between_runs_and_faults_are_told_alike(
    cluster: Any, corpus: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    address = f"ray_address={cluster.address}"
    built = build(*arguments(corpus, tmp_path / "a", address))
    assert snapshot(built.path) == local
    again = run(load_build([*arguments(corpus, tmp_path / "a")[:-1], "workers=1"], "build"))
    assert again["unchanged"], "what ray staged is what the local engine would"
    broken = tmp_path / "broken"
    for file in corpus.rglob("*"):
        if file.is_file():
            target = broken / file.relative_to(corpus)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"" if file.suffix == ".jpg" else file.read_bytes())
    with pytest.raises(DataFault, match="empty_file"):
        run(load_build(arguments(broken, tmp_path / "b", address), "build"))


def test_no_cluster_at_the_address_is_told(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Ray cluster answers there"):
        run(load_build(arguments(corpus, tmp_path / "o", "ray_address=127.0.0.1:1"), "geovec-data build"))


def test_what_listens_there_and_is_no_ray_head_is_told_at_once(
    corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def answer() -> None:
        connection, _ = server.accept()
        connection.recv(100)
        connection.sendall(b"HTTP/1.0 505 HTTP Version not supported\r\n\r\n")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, daemon=True).start()
        address = f"ray_address=127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match=r"no Ray cluster answers there \(what listens there is no Ray head\)"):
            run(load_build(arguments(corpus, tmp_path / "o", address), "geovec-data build"))
    assert "GCS" not in capfd.readouterr().err
