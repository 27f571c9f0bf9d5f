from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.untrusted.plain_pickle import NotPlain, loads

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.text() | st.integers() | st.tuples(st.integers(), st.text())
plain = st.recursive(scalars, lambda v: st.lists(v) | st.dictionaries(keys, v) | st.lists(v).map(tuple), max_leaves=20)


@given(value=plain, protocol=st.integers(3, 5))
def test_plain_values_come_out_as_pickle_would_give_them(value: Any, protocol: int) -> None:
    assert loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_and_shared_parts(protocol: int) -> None:
    tags = {"landuse": "farmland"}
    value = {"box": (8.1, 47.0, 8.2, 47.1), "time": (2019, 7, 14, 10, 30), "a": tags, "b": [tags, -(2**70), None, True]}
    assert loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("number", [np.float64(8.25), np.float32(0.5), np.int64(-3), np.int32(7), np.uint8(9)])
def test_numbers_of_numpy_become_pythons(number: Any, protocol: int) -> None:
    found = loads(pickle.dumps((number, number), protocol))
    assert found == (number.item(),) * 2
    assert type(found[0]) in (int, float)


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_parts_that_unfold_without_end_are_refused() -> None:
    nested: list[Any] = []
    for _ in range(40):
        nested = [nested, nested]
    circle: list[Any] = []
    circle.append(circle)
    for value in (nested, circle, {"a": circle}):
        with pytest.raises(NotPlain, match="unfolds"):
            loads(pickle.dumps(value))


@pytest.mark.parametrize(
    "data",
    [
        b"(S'true'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'true'\no.",  # OBJ
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",  # STACK_GLOBAL
        b"\x80\x02\x82\x01.",  # EXT1
        b"Pname\n.",  # PERSID
        b"\x80\x02K\x01Q.",  # BINPERSID
        b"\x80\x02}}b.",  # BUILD
        b"\x80\x02](K\x01e\x85\x81.",  # NEWOBJ
        b"\x80\x05\x97.",  # NEXT_BUFFER
    ],
)
def test_every_way_out_of_plain_data_is_refused(data: bytes) -> None:
    with pytest.raises(NotPlain):
        loads(data)


def test_a_longer_file_must_be_allowed() -> None:
    data = pickle.dumps(["x" * (1 << 20)])
    with pytest.raises(NotPlain, match="bytes, more than"):
        loads(data)
    assert loads(data, most_bytes=1 << 21)


def test_nothing_is_run(tmp_path: Path) -> None:
    for protocol in range(6):
        with pytest.raises(NotPlain, match="import"):
            loads(pickle.dumps({"box": _Touch(tmp_path / "ran")}, protocol))
    with pytest.raises(NotPlain, match="'os system'"):
        loads(b"cos\nsystem\n(S'touch ran'\ntR.")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x04",
        b"\x80\x04K\x01",
        b"(lp0\nS'a'\nR.",
        b"]K\x01s.",
        b"\x80\x04\x96" + b"\xff" * 8 + b".",
        b"\x80\x04r\xff\xff\xff\xff.",
        b"cnumpy\ndtype\n(S'O8'\ntR.." + bytes(1 << 20),
        b"cnumpy.core.multiarray\nscalar\n(S'O8'\nS'12345678'\ntR.",
        pickle.dumps(np.zeros(3)),
        pickle.dumps({1, 2}),
        pickle.dumps(3j),
    ],
)
def test_broken_large_and_other_pickles_are_refused(data: bytes) -> None:
    with pytest.raises(NotPlain):
        loads(data)


@given(data=st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(data: bytes) -> None:
    try:
        loads(data)
    except NotPlain:
        return
