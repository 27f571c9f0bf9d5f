from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_data.recipe import SplitOptions
from geovec_data.split import Placed, assign


def chip(n: int, x: float, y: float, size: float = 256.0, parent: str = "p.png") -> Placed:
    return Placed(f"i{n}", "c", parent, f"c/{parent}", None, (), (x, y, x + size, y + size), False)


def whole(n: int) -> Placed:
    return Placed(f"i{n}", "c", f"{n}.jpg", f"c/{n}.jpg", None, (), None, False)


def test_image_split_keeps_chips_of_one_parent_together() -> None:
    options = SplitOptions(method="image", train=0.4, val=0.3, test=0.3)
    images = [
        Placed(f"i{n}", "c", f"parent{n // 5}.tif", f"c/parent{n // 5}.tif", None, (), None, False) for n in range(200)
    ]
    got = {i: s for i, s, _ in assign(images, options)}
    for n in range(200):
        assert got[f"i{n}"] == got[f"i{n - n % 5}"]
    assert {"train", "val", "test"} == set(got.values())


@given(st.permutations(range(40)), st.integers(0, 39))
def test_order_and_additions_move_nothing(order: list[int], missing: int) -> None:
    options = SplitOptions(method="image")
    everything = {i: s for i, s, _ in assign([whole(n) for n in range(40)], options)}
    some = {i: s for i, s, _ in assign([whole(n) for n in order if n != missing], options)}
    assert all(everything[i] == s for i, s in some.items())


def test_shares_are_near_what_was_asked() -> None:
    options = SplitOptions(method="image", train=0.7, val=0.2, test=0.1)
    got = [s for _, s, _ in assign([whole(n) for n in range(5000)], options)]
    for name, share in (("train", 0.7), ("val", 0.2), ("test", 0.1)):
        assert abs(got.count(name) / 5000 - share) < 4 * math.sqrt(share * (1 - share) / 5000)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=60, unique=True),
    st.integers(0, 5),
    st.sampled_from([1.0, 64.0, 200.0]),
)
def test_blocks_leave_the_buffer_empty(spots: list[tuple[int, int]], seed: int, buffer: float) -> None:
    options = SplitOptions(method="blocks", train=0.5, val=0.25, test=0.25, seed=seed, block=512, buffer=buffer)
    chips = {f"i{n}": chip(n, 128.0 * x, 128.0 * y) for n, (x, y) in enumerate(spots)}
    got = {i: s for i, s, _ in assign(chips.values(), options)}
    assert set(got) == set(chips)
    used = [(chips[i].bounds, s) for i, s in got.items() if s != "unused"]
    for a, s in used:
        for b, t in used:
            if s != t:
                assert a is not None
                assert b is not None
                dx, dy = max(a[0] - b[2], b[0] - a[2]), max(a[1] - b[3], b[1] - a[3])
                assert max(dx, dy) > 0 or buffer == 0  # never touching, never overlapping
                assert math.hypot(max(dx, 0), max(dy, 0)) >= buffer


def test_blocks_on_the_ground_are_metres() -> None:
    options = SplitOptions(method="blocks", train=0.5, val=0.25, test=0.25, block=600, buffer=30)
    step = 0.0007  # about 78 m north to south
    images = [
        Placed(f"i{n}", "c", f"{n}.tif", f"c/{n}.tif", None, (), (85.5 + step * (n % 30), 27.6 + step * (n // 30),
                                                  85.5 + step * (n % 30 + 1), 27.6 + step * (n // 30 + 1)), True)
        for n in range(900)
    ]  # fmt: skip
    got = [s for _, s, _ in assign(images, options)]
    assert 0.2 < got.count("train") / 900 < 0.6
    assert got.count("unused") > 50
    assert min(got.count("val"), got.count("test")) > 50


def test_official_split_by_object_puts_an_image_into_several() -> None:
    images = [
        Placed("a", "c", "a", "c/a", "train", (), None, False),
        Placed("b", "c", "b", "c/b", None, ("test", "train"), None, False),
        Placed("c", "c", "c", "c/c", None, (), None, False),
    ]
    got = sorted(assign(images, SplitOptions(method="official")))
    assert [(i, s) for i, s, _ in got] == [("a", "train"), ("b", "test"), ("b", "train"), ("c", "unused")]
