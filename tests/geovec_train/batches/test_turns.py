"""Boxes and words turn with the picture: against pixels, and against where things are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.records import Segment
from geovec_train.batches.pictures import TURNS, turned
from geovec_train.batches.turns import (
    EVERY,
    KEEPING_AXES,
    turned_box,
    turned_segments,
    turned_size,
    turned_words,
    turns_of_words,
)

turns = st.integers(0, TURNS - 1)


@st.composite
def placed_boxes(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    width, height = draw(st.integers(2, 40)), draw(st.integers(2, 40))
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return (width, height), (x0, y0, draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height)))


@given(placed_boxes(), turns)
def test_a_turned_box_frames_the_same_pixels(case: tuple, turn: int) -> None:
    size, box = case
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[box[1] : box[3], box[0] : box[2]] = 255
    after = turned(pixels, turn)
    rows, columns = np.nonzero(after[:, :, 0])
    framed = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert turned_box(tuple(map(float, box)), size, turn) == framed
    assert turned_size(size, turn) == (after.shape[1], after.shape[0])


def words_for(dx: int, dy: int) -> list[str]:
    """Ways to say where something is: dx, dy are -1, 0 or 1, to the right and downwards."""
    across = {-1: "left", 0: "", 1: "right"}[dx]
    along = {-1: ("top", "upper", "north"), 0: ("", "", ""), 1: ("bottom", "lower", "south")}[dy]
    side = {-1: "west", 0: "", 1: "east"}[dx]
    joined = [" ".join(filter(None, (along[k], across))) for k in (0, 1)]
    most = {-1: "leftmost", 1: "rightmost"}.get(dx, {-1: "topmost", 1: "bottommost"}.get(dy, ""))
    said = [
        f"the plane in the {'-'.join(joined[0].split())} corner",
        f"The {joined[1]} plane",
        f"a pier {along[2]}{side}ern of it" if dy and dx else f"a pier to the {along[2]}{side} of it",
    ]
    if not (dx and dy):
        said += [
            f"the {most} ship",
            {-1: "a ship above the pier", 1: "a ship below the pier"}.get(dy, f"{across} of it"),
        ]
    return said


OFFSETS = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]


@given(st.sampled_from(OFFSETS), st.sampled_from(sorted(KEEPING_AXES)))
def test_turned_words_say_where_the_turned_thing_is(offset: tuple[int, int], turn: int) -> None:
    size, at = (30, 30), (10 * (offset[0] + 1), 10 * (offset[1] + 1))
    x0, y0, _, _ = turned_box((at[0], at[1], at[0] + 10, at[1] + 10), size, turn)
    expected = words_for(round(x0 / 10) - 1, round(y0 / 10) - 1)
    assert [turned_words(text, turn) for text in words_for(*offset)] == expected


@given(st.sampled_from(OFFSETS), turns)
def test_a_quarter_turn_of_words_is_refused(offset: tuple[int, int], turn: int) -> None:
    for text in words_for(*offset):
        assert (turned_words(text, turn) is None) == (turn not in KEEPING_AXES)
        assert turns_of_words(text) == KEEPING_AXES


@pytest.mark.parametrize(
    "text",
    [
        "a car on top of the building", "planes seen from above", "the first plane", "the ship turns clockwise",
        "a bridge over the river", "cars under the bridge", "the third row", "a road meets it at right angles",
        "a farm in North Dakota", "the left and the overpass over it",
    ],
)  # fmt: skip
def test_words_that_cannot_follow_are_refused(text: str) -> None:
    assert turns_of_words(text) == {0}
    assert all(turned_words(text, t) is None for t in range(1, TURNS))


def test_words_without_direction_follow_every_turn() -> None:
    text = "Many upright bright trees are left-handed? no: a topic, an underpass, a Western hat"
    plain = "many green trees beside a road"
    assert turns_of_words(plain) == EVERY
    assert all(turned_words(plain, t) == plain for t in range(TURNS))
    assert turns_of_words(text) != EVERY


@given(placed_boxes(), st.sampled_from(sorted(KEEPING_AXES)))
def test_items_turn_whole(case: tuple, turn: int) -> None:
    size, box = case
    box = tuple(map(float, box))
    item = (Segment.of_image("a"), Segment.of_text("the left pier"), Segment.of_box(box))
    image, text, framed = turned_segments(item, {"a": turn}.__getitem__, lambda _: size, None)
    assert image == item[0]
    assert text.text == turned_words("the left pier", turn)
    assert framed.box == turned_box(box, size, turn)
    (alone,) = turned_segments((Segment.of_text("the left pier"),), {"a": turn}.__getitem__, lambda _: size, "a")
    assert alone.text == text.text
    still = (Segment.of_text("the left pier"),)
    assert turned_segments(still, {"a": turn}.__getitem__, lambda _: size, None) == still
