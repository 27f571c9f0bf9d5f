from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_data.splits import Placed, assign
from geovec_data.splits.options import SplitOptions

DEGREE = 111_195.0


def chip(n: int, x: float, y: float, wide: float = 256.0, high: float = 256.0) -> Placed:
    return Placed(f"i{n}", "c", "p.png", "c/p.png", bounds=(x, y, x + wide, y + high))


def on_earth(p: Placed) -> Placed:
    """The same in metres about 45° north, some columns of blocks from the meridian."""
    assert p.bounds is not None
    x = DEGREE * math.cos(math.radians(45))
    x0, y0, x1, y1 = p.bounds
    bounds = (9 + x0 / x, 44.999 + y0 / DEGREE, 9 + x1 / x, 44.999 + y1 / DEGREE)
    return replace(p, bounds=bounds, georeferenced=True)


def split_of(images: list[Placed], options: SplitOptions) -> dict[str, str]:
    return {i: s for i, s, _ in assign(images, options)}


def gap(a: Placed, b: Placed) -> float:
    """Distance in pixels or metres; below 0: they overlap."""
    assert a.bounds is not None
    assert b.bounds is not None
    dx = max(a.bounds[0] - b.bounds[2], b.bounds[0] - a.bounds[2])
    dy = max(a.bounds[1] - b.bounds[3], b.bounds[1] - a.bounds[3])
    if a.georeferenced:
        dx, dy = dx * DEGREE * math.cos(math.radians(45)), dy * DEGREE
    return -1.0 if dx < 0 and dy < 0 else math.hypot(max(dx, 0.0), max(dy, 0.0))


sides = st.sampled_from([32.0, 100.0, 256.0, 700.0])
chips = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60), sides, sides), min_size=2, max_size=60, unique=True
).map(lambda spots: [chip(n, 64.0 * x, 64.0 * y, w, h) for n, (x, y, w, h) in enumerate(spots)])
block_options = st.builds(
    SplitOptions,
    method=st.just("blocks"),
    train=st.just(0.5),
    val=st.just(0.25),
    test=st.just(0.25),
    seed=st.integers(0, 99),
    block=st.sampled_from([200.0, 512.0]),
    buffer=st.sampled_from([0.0, 1.0, 64.0, 200.0]),
    overhang=st.sampled_from([None, 0.0, 50.0, 128.0, 350.0]),
)


@settings(max_examples=150, deadline=None)
@given(chips, block_options, st.booleans())
def test_used_images_of_two_splits_keep_the_buffer(images: list[Placed], options: SplitOptions, earth: bool) -> None:
    if earth:
        images = [on_earth(p) for p in images]
    got = split_of(images, options)
    assert set(got) == {p.image for p in images}
    used = [p for p in images if got[p.image] != "unused"]
    for a in used:
        for b in used:
            if got[a.image] != got[b.image]:
                # on Earth the scale changes a little from one row of blocks to the next
                assert gap(a, b) >= (options.buffer * 0.999 - 0.5 if earth else options.buffer)


@settings(max_examples=60, deadline=None)
@given(chips, block_options, st.data())
def test_more_images_move_none(images: list[Placed], options: SplitOptions, data: st.DataObject) -> None:
    some = data.draw(st.permutations(images))[: len(images) // 2]
    everything = split_of(images, options)
    assert split_of(some, options) == {p.image: everything[p.image] for p in some}


def test_blocks_on_the_ground_are_metres() -> None:
    options = SplitOptions(method="blocks", train=0.5, val=0.25, test=0.25, block=600, buffer=30)
    images = [on_earth(chip(n, 78.0 * (n % 30), 78.0 * (n // 30), 78, 78)) for n in range(900)]
    got = list(split_of(images, options).values())
    assert 0.2 < got.count("train") / 900 < 0.6
    assert got.count("unused") > 50
    assert min(got.count("val"), got.count("test")) > 50


def test_chips_that_fit_their_blocks_are_lost_to_the_buffer_only() -> None:
    options = SplitOptions(method="blocks", train=0.5, val=0.0, test=0.5, block=512, buffer=64)
    rows = list(assign([chip(n, 256.0 * (n % 40), 256.0 * (n // 40)) for n in range(1600)], options))
    assert {reason for _, split, reason in rows if split == "unused"} == {"buffer to test"}
    assert sum(s == "test" for _, s, _ in rows) > 600  # test gives way to none


def test_an_image_larger_than_its_block_says_so() -> None:
    options = SplitOptions(method="blocks", train=0.5, val=0.25, test=0.25, block=64, buffer=0)
    wide, huge = chip(0, 0, 0, 640, 64), chip(1, 0, 0, 1e6, 1e6)
    reasons = {i: (s, r) for i, s, r in assign([wide, huge], options)}
    assert reasons == {
        "i0": ("unused", "reaches out of its block"),
        "i1": ("unused", "larger than 64 blocks"),
    }


def test_without_a_position_the_origin_is_hashed() -> None:
    images = [Placed(f"i{n}", "c", f"{n}.jpg", f"c/{n}.jpg") for n in range(50)]
    blocks = list(assign(images, SplitOptions(method="blocks")))
    assert {r for _, _, r in blocks} == {"hash of origin (no position)"}
    assert {i: s for i, s, _ in blocks} == split_of(images, SplitOptions(method="image"))
