from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_data.errors import DataFault, ResourceFault, UserError
from geovec_data.mining.cache import EmbeddingStore, Key
from geovec_data.mining.stored_corpus import Stored

KEY = Key("f" * 64, "target", None, "qwen2vl+lat_lon")


def rows(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 6)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 7), min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_gives_back_what_was_added_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], seed: int
) -> None:
    dataset = tmp_path_factory.mktemp("store")
    everything = rows(sum(sizes), seed)
    names = [f"i{n}" for n in range(len(everything))]
    start = 0
    for size in sizes:
        EmbeddingStore(dataset, KEY).add(names[start : start + size], everything[start : start + size])
        start += size
    store = EmbeddingStore(dataset, KEY)
    order = np.random.default_rng(seed).permutation(len(names))
    asked = pa.array([names[n] for n in order])
    np.testing.assert_array_equal(store.take(store.locate(asked)), everything[order])
    corpus = Stored(store, asked)
    np.testing.assert_array_equal(corpus.tile(1, len(order)), everything[order][1:])
    np.testing.assert_array_equal(corpus.rows(np.array([0])), everything[order][:1])
    assert store.missing(pa.array(["new", names[0], "newer"])).to_pylist() == ["new", "newer"]
    assert store.dimension == 6


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, encoder="e" * 64),
        replace(KEY, role="query"),
        replace(KEY, instruction="Find it."),
        replace(KEY, codecs="pixels+lat_lon"),
    ],
)
def test_whatever_changes_a_vector_changes_the_store(tmp_path: Path, other: Key) -> None:
    EmbeddingStore(tmp_path, KEY).add(["a"], rows(1))
    assert len(EmbeddingStore(tmp_path, other)) == 0
    assert len(EmbeddingStore(tmp_path, KEY)) == 1


def test_an_item_without_a_vector_is_an_error(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, KEY)
    with pytest.raises(KeyError, match="1 items have no vector"):
        store.locate(pa.array(["a"]))


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_is_named_and_not_searched(tmp_path: Path, strange: float) -> None:
    vectors = rows(9)
    vectors[[2, 7], 3] = strange
    EmbeddingStore(tmp_path, KEY).add([f"item {n}" for n in range(9)], vectors)
    store = EmbeddingStore(tmp_path, KEY)
    assert store.take(np.array([0, 1, 8])).shape == (3, 6)
    assert store.take(np.zeros(0, np.int64)).shape == (0, 6)
    with pytest.raises(DataFault, match=r"NaN or infinite vectors for 2 items asked for: item 2, item 7; remove"):
        Stored(store, pa.array([f"item {n}" for n in range(9)])).tile(0, 9)


def test_a_damaged_file_is_said_and_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = EmbeddingStore(tmp_path, KEY)
    store.add(["a"], rows(1))
    store.add(["b"], rows(1, 1))
    file = sorted(store.folder.glob("*.arrow"))[0]
    file.write_bytes(file.read_bytes()[:100])
    again = EmbeddingStore(tmp_path, KEY)
    assert len(again) == 1
    assert "damaged" in capsys.readouterr().err


def test_a_refused_write_says_where_and_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EmbeddingStore(tmp_path, KEY)
    store.add(["a"], rows(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("geovec_data.mining.cache.os.fsync", full)
    with pytest.raises(ResourceFault, match="No space left"):
        store.add(["b"], rows(1))
    assert [p.name for p in store.folder.iterdir() if p.name.startswith(".")] == []
    assert len(EmbeddingStore(tmp_path, KEY)) == 1


WRITER = """
import sys
import numpy as np
from pathlib import Path
from tests.geovec_data.mining.test_cache import KEY, rows
from geovec_data.mining.cache import EmbeddingStore
store = EmbeddingStore(Path(sys.argv[1]), KEY)
with store.writing():
    print("locked", flush=True)
    n = 0
    while True:
        store.add([f"i{n}"], rows(1, n))
        n += 1
"""


def test_killed_while_writing_it_holds_whole_vectors_and_no_lock(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    store = EmbeddingStore(tmp_path, KEY)
    assert len(store) > 0
    for n in range(len(store)):
        np.testing.assert_array_equal(store.take(store.locate(pa.array([f"i{n}"])))[0], rows(1, n)[0])
    (store.folder / ".99-cut.arrow").write_bytes(b"ARROW1")
    with store.writing():  # at once: the lock died with its holder
        assert not list(store.folder.glob(".*.arrow"))


def test_a_second_process_waits_and_sees_the_first_ones_vectors(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from tests.geovec_data.mining.test_cache import KEY
from geovec_data.mining.cache import EmbeddingStore
store = EmbeddingStore(Path(sys.argv[1]), KEY)
with store.writing():
    print(len(store))
"""
    store = EmbeddingStore(tmp_path, KEY)
    with store.writing():
        second = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stderr is not None
        assert "waiting" in second.stderr.readline()
        store.add(["a", "b"], rows(2))
    out, _ = second.communicate(timeout=60)
    assert out == "2\n"


def test_vectors_of_another_length_than_the_encoders_are_refused(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, KEY)
    store.check(8, "tiny")  # nothing is there yet
    store.add(["a"], rows(1))
    store.refresh()
    store.check(6, "tiny")
    with pytest.raises(UserError, match=r"encoder=tiny gives vectors of 8 dimensions, but .* holds some of 6") as error:
        store.check(8, "tiny")
    assert store.folder.name in str(error.value)
    store.add(["b"], np.ones((1, 8), np.float32))  # and both in one store are no better
    store.refresh()
    with pytest.raises(UserError, match="gives vectors of 8 dimensions"):
        store.check(8, "tiny")
