from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import numpy as np
import pytest

from geovec_data.mining.search.pieces import Found, Pieces

FOUND = (np.array([[0.5, 0.25]], np.float32), np.array([[3, 1 << 40]]))


def never() -> Found:
    raise AssertionError("searched again")


def test_what_was_found_is_not_searched_again(tmp_path: Path) -> None:
    Pieces(tmp_path).get("a", lambda: FOUND)
    pieces = Pieces(tmp_path)
    scores, ids = pieces.get("a", never) or FOUND[:1]
    np.testing.assert_array_equal(scores, FOUND[0])
    np.testing.assert_array_equal(ids, FOUND[1])
    assert (pieces.searched, pieces.reused) == (0, 1)


@pytest.mark.parametrize("kept", [b"", b"PK\x03\x04 cut short"])
def test_a_damaged_piece_is_searched_again(tmp_path: Path, kept: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.npz").write_bytes(kept)
    pieces = Pieces(tmp_path)
    assert pieces.get("a", lambda: FOUND) is FOUND
    assert "a.npz is damaged" in capsys.readouterr().err
    assert pieces.get("a", never) is not None


def test_a_helper_leaves_what_is_there_or_taken(tmp_path: Path) -> None:
    helper = Pieces(tmp_path, helping=True)
    assert helper.get("a", lambda: FOUND) is FOUND
    assert helper.get("a", never) is None
    with (tmp_path / "b.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert helper.get("b", never) is None
    assert helper.searched == 1


def test_the_miner_waits_for_a_block_that_a_helper_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> Found:
        begun.set()
        assert go_on.wait(20)
        return FOUND

    helper = threading.Thread(target=lambda: Pieces(tmp_path, helping=True).get("a", slowly))
    helper.start()
    assert begun.wait(20)
    miner = Pieces(tmp_path)
    threading.Timer(0.2, go_on.set).start()
    assert miner.get("a", never) is not None
    helper.join()
    assert miner.reused == 1
    assert "waiting for a block that a helper searches" in capsys.readouterr().err
