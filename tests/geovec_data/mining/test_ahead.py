from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from geovec_data.mining.ahead import MOST, ahead


def test_outcomes_come_in_order_and_the_first_alone() -> None:
    begun: list[int] = []

    def work(n: int) -> int:
        if n == 0:
            time.sleep(0.05)
        assert n == 0 or 0 in done  # all others find what the first made
        begun.append(n)
        time.sleep(0.01 * ((7 - n) % 3))
        if n == 0:
            done.add(0)
        return n * n

    done: set[int] = set()
    assert list(ahead(work, range(9))) == [(n, n * n) for n in range(9)]
    assert begun[0] == 0


def test_no_more_than_a_few_are_under_way() -> None:
    taken = 0

    def inputs() -> Iterator[int]:
        nonlocal taken
        for n in range(50):
            taken += 1
            yield n

    for done, _ in ahead(lambda n: n, inputs()):
        assert taken <= done + MOST + 2


def test_a_failure_reaches_the_caller_in_its_turn() -> None:
    def work(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        return n

    seen = []
    with pytest.raises(ValueError, match="three"):
        seen += [n for n, _ in ahead(work, range(6)) if seen.append(n) is None]  # type: ignore[func-returns-value]
    assert seen == [0, 1, 2]
    assert threading.active_count() < 50


def test_nothing_to_do() -> None:
    assert list(ahead(lambda n: n, [])) == []
