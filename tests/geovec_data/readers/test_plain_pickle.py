from __future__ import annotations

import datetime
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.readers._plain_pickle import NotPlain, loads

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_survives_in_every_protocol_that_can_say_it(data: Any, protocol: int) -> None:
    try:
        got = loads(pickle.dumps(data, protocol=protocol))
    except NotPlain as refused:
        # below protocol 3 there is no opcode for bytes: Python calls codecs.encode, which is code
        assert protocol < 3, refused
        assert "GLOBAL" in str(refused)
    else:
        assert got == data


class Spy:
    """Unpickled by a reader that trusts, this writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_file_runs_nothing(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "owned"
    data = pickle.dumps([{"ann_id": 1, "sentences": [Spy(target)]}], protocol=protocol)
    with pytest.raises(NotPlain, match="opcode"):
        loads(data)
    assert not target.exists()
    pickle.loads(data)
    assert target.exists(), "the file is as hostile as it should be"


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # GLOBAL, REDUCE
        b"(S'true'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'true'\no.",  # OBJ
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",  # STACK_GLOBAL
        b"\x80\x02\x82\x01.",  # EXT1
        b"Pname\n.",  # PERSID
        b"\x80\x02K\x01Q.",  # BINPERSID
        b"\x80\x02}}b.",  # BUILD
        b"\x80\x02](K\x01e\x85\x81.",  # NEWOBJ
        b"\x80\x05\x97.",  # NEXT_BUFFER
        pickle.dumps(datetime.date(2026, 1, 1)),
        pickle.dumps({1, 2}),
    ],
)
def test_every_way_out_of_plain_data_is_refused(data: bytes) -> None:
    with pytest.raises(NotPlain):
        loads(data)


def test_few_bytes_cannot_ask_for_much_memory() -> None:
    bomb: list[Any] = []
    for _ in range(40):
        bomb = [bomb, bomb]
    with pytest.raises(NotPlain, match="unfolds"):
        loads(pickle.dumps(bomb))
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(NotPlain, match="unfolds"):
        loads(pickle.dumps(circle))
    with pytest.raises(NotPlain, match="memo slot"):
        loads(b"\x80\x02]r\xff\xff\xff\x7f.")  # LONG_BINPUT of slot 2147483647


@given(st.binary(max_size=60))
def test_any_bytes_are_data_or_refused(data: bytes) -> None:
    try:
        loads(data)
    except NotPlain as refused:
        assert str(refused)
