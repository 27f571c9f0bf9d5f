"""Every rule on a dataset made for it, through the whole run; the encoder's vectors are decided by the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from geovec_data.geometry.boxes import iou as iou_of_two
from geovec_data.mining.items import Lists, ranges
from geovec_data.mining.mine import MineConfig
from geovec_data.mining.policy import RULE_NAMES
from geovec_data.mining.rules.regions import iou
from geovec_data.records import Segment
from tests.fixtures.handmade import INSTRUCTIONS
from tests.fixtures.world import World, region, text


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_positives_of_the_query_in_any_example_are_known(world: World) -> None:
    a, b, c, d = (world.image(k) for k in "abcd")
    airport, same_words = world.at(0, text("An airport.")), world.at(1, text("an airport"))
    other = world.at(80, text("a pier"))
    first = world.book.example("text_to_image", airport, [world.at(5, (Segment.of_image(a),), "a")], image=a)
    world.book.example("text_to_image", airport, [world.at(6, (Segment.of_image(b),), "b")], image=b)
    world.book.example("text_to_image", same_words, [world.at(7, (Segment.of_image(c),), "c")], image=c)
    world.book.example("text_to_image", other, [world.at(8, (Segment.of_image(d),), "d")], image=d)
    facts = world.mine(k=1)
    # b: another example of the same query; c: of a query that says the same
    assert world.verdicts(first) == {
        "a": "known_positive",
        "b": "known_positive",
        "c": "known_positive",
        "d": None,
    }
    assert [n["name"] for n in world.negatives(first)] == ["d"]
    assert facts["drops"]["known_positive"] == 3 * 3 + 1


def test_another_split_says_nothing_about_this_one(world: World) -> None:
    a, b = world.image("a"), world.image("b")
    airport = world.at(0, text("airport"))
    first = world.book.example("text_to_image", airport, [world.at(5, (Segment.of_image(a),), "a")], image=a)
    held = world.at(6, (Segment.of_image(b),), "b")
    world.book.example("text_to_image", airport, [held], image=b, split="test")
    world.book.distractor("text_to_image", a, world.at(70, (Segment.of_image(world.image("c")),), "c"))
    world.mine(k=1)
    assert world.verdicts(first) == {"a": "known_positive", "c": None}  # b is neither a positive nor a candidate


def test_captions_that_say_the_same_are_duplicates(world: World) -> None:
    a, b = world.image("a"), world.image("b")
    seen, other = world.at(0, (Segment.of_image(a),)), world.at(90, (Segment.of_image(b),))
    first = world.book.example("image_to_text", seen, [world.at(3, text("Many planes, parked."))], image=a)
    world.book.example(
        "image_to_text",
        other,
        [world.at(4, text("many planes parked")), world.at(5, text("many plains parked"))],
        image=b,
    )
    world.mine(k=1)
    assert world.verdicts(first) == {
        "Many planes, parked.": "known_positive",
        "many planes parked": "known_positive",  # a duplicate of the positive
        "many plains parked": None,
    }


def test_boxes_that_overlap_the_positive_are_the_same_thing(world: World) -> None:
    a, b = world.image("a"), world.image("b")
    query = world.at(0, text("the tank"))
    right = world.at(2, region(a, 0, 0, 20, 20), "right")
    first = world.book.example("text_to_region", query, [right], image=a)
    for name, degrees, image, box in (
        ("nearly it", 3, a, (0, 0, 20, 19)),
        ("half of it", 4, a, (0, 0, 10, 20)),  # IoU exactly 0.5
        ("less than half", 5, a, (11, 0, 31, 20)),
        ("its place elsewhere", 6, b, (0, 0, 20, 20)),
    ):
        world.book.distractor("text_to_region", image, world.at(degrees, region(image, *box), name))
    facts = world.mine(k=2)
    assert world.verdicts(first) == {
        "right": "known_positive",
        "nearly it": "region_overlap",
        "half of it": "region_overlap",
        "less than half": None,
        "its place elsewhere": None,
    }
    assert [(n["name"], n["kind"], n["rank"]) for n in world.negatives(first)] == [
        ("less than half", "region", 0),
        ("its place elsewhere", "hard", 1),
    ]
    assert facts["tasks"]["text_to_region"]["negatives"] == {"hard": 1, "region": 1, "geo": 0, "random": 0}


def test_max_iou_is_an_option(world: World) -> None:
    a = world.image("a")
    first = world.book.example(
        "text_to_region", world.at(0, text("it")), [world.at(2, region(a, 0, 0, 20, 20), "right")], image=a
    )
    world.book.distractor("text_to_region", a, world.at(5, region(a, 8, 0, 28, 20), "near half"))
    world.book.distractor("text_to_region", a, world.at(9, region(a, 40, 0, 60, 20), "beside"))
    world.mine(k=1, policy={"max_iou": 0.4})
    assert world.verdicts(first)["near half"] == "region_overlap"


def test_an_image_of_the_query_is_no_negative_for_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task = ("compositional", "image+text", "image", "Find the changed image.")
    monkeypatch.setitem(INSTRUCTIONS, "composed_to_image", task)
    a, b, c = (world.image(k) for k in "abc")
    asked = world.at(0, (Segment.of_image(a), Segment.of_text("with snow")), "query")
    first = world.book.example("composed_to_image", asked, [world.at(4, (Segment.of_image(b),), "b")], image=a)
    world.book.distractor("composed_to_image", a, world.at(3, (Segment.of_image(a),), "a"))
    world.book.distractor("composed_to_image", c, world.at(5, (Segment.of_image(c),), "c"))
    world.mine(k=1)
    assert world.verdicts(first) == {"a": "same_image", "b": "known_positive", "c": None}


@pytest.mark.parametrize(
    ("options", "dropped"),
    [
        ({"relative_margin": 0.0}, {"50": "relative_margin"}),
        ({"relative_margin": 0.1}, {"50": "relative_margin", "62": "relative_margin"}),
        ({"max_score": 0.6}, {"50": "max_score"}),
        ({"min_score": 0.1}, {"91": "min_score"}),
    ],
)
def test_score_rules(world: World, options: dict[str, float], dropped: dict[str, str]) -> None:
    a = world.image("a")
    first = world.book.example(
        "image_to_text", world.at(0, (Segment.of_image(a),)), [world.at(60, text("right"))], image=a
    )
    for degrees in (50, 62, 70, 91):
        world.book.distractor("image_to_text", a, world.at(degrees, text(str(degrees))))
    world.mine(k=1, policy=options)
    said = world.verdicts(first)
    assert {name: rule for name, rule in said.items() if rule and name != "right"} == dropped
    assert world.negatives(first)[0]["positive_score"] == pytest.approx(0.5, abs=1e-6)


def test_relative_margin_stays_a_margin_below_zero(world: World) -> None:
    a = world.image("a")
    first = world.book.example(
        "image_to_text", world.at(0, (Segment.of_image(a),)), [world.at(120, text("right"))], image=a
    )
    for degrees in (119, 121, 130):  # cosines -0.485, -0.515, -0.643; the limit is -0.5 - 0.05
        world.book.distractor("image_to_text", a, world.at(degrees, text(str(degrees))))
    world.mine(k=1, policy={"relative_margin": 0.1})
    said = world.verdicts(first)
    assert (said["119"], said["121"], said["130"]) == ("relative_margin", "relative_margin", None)


def test_the_margin_is_taken_from_the_least_similar_positive(world: World) -> None:
    a = world.image("a")
    first = world.book.example(
        "image_to_text",
        world.at(0, (Segment.of_image(a),)),
        [world.at(10, text("near")), world.at(60, text("far"))],
        image=a,
    )
    world.book.distractor("image_to_text", a, world.at(55, text("55")))
    world.book.distractor("image_to_text", a, world.at(65, text("65")))
    world.mine(k=1, policy={"relative_margin": 0.0})
    assert world.verdicts(first) == {
        "near": "known_positive",
        "far": "known_positive",
        "55": "relative_margin",
        "65": None,
    }


@pytest.mark.parametrize("bad", [{"max_iou": 0.0}, {"max_iou": 1.5}, {"relative_margin": -0.1}, {"max_iuo": 0.5}])
def test_impossible_limits_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        MineConfig.model_validate({"dataset": "d", "encoder": "e", "policy": bad})


def test_rules_have_an_order() -> None:
    assert RULE_NAMES[0] == "known_positive"
    assert RULE_NAMES.index("region_overlap") < RULE_NAMES.index("other_box") < RULE_NAMES.index("near_caption")
    assert RULE_NAMES[-1] == "rank_range"  # it counts what all others left


sides = st.tuples(*[st.floats(0, 100, width=32)] * 2).map(sorted).filter(lambda s: s[1] - s[0] > 0.01)
boxes = st.tuples(sides, sides).map(lambda s: (s[0][0], s[1][0], s[0][1], s[1][1]))


@given(st.lists(st.tuples(boxes, boxes), min_size=1, max_size=5))
def test_iou_is_that_of_single_boxes(pairs: list[tuple[Any, Any]]) -> None:
    a, b = np.array([p[0] for p in pairs], float), np.array([p[1] for p in pairs], float)
    np.testing.assert_allclose(iou(a, b), [iou_of_two(*p) for p in pairs], atol=1e-9)


def test_iou_with_a_missing_box_drops_nothing() -> None:
    assert not (iou(np.full((1, 4), np.nan), np.array([[0.0, 0, 1, 1]])) >= 0.1).any()


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), max_size=30),
    st.lists(st.integers(0, 6), max_size=8),
)
def test_ragged_lists_are_sorted_sets(pairs: list[tuple[int, int]], asked: list[int]) -> None:
    rows, values = (np.array([p[n] for p in pairs], np.int64) for n in (0, 1))
    position, value = Lists.of(rows, values, 7).take(np.array(asked, np.int64))
    expected = [(n, v) for n, r in enumerate(asked) for v in sorted({v for q, v in pairs if q == r})]
    assert list(zip(position.tolist(), value.tolist(), strict=True)) == expected


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4)), max_size=10))
def test_ranges_are_concatenated(pairs: list[tuple[int, int]]) -> None:
    begin = np.array([b for b, _ in pairs], np.int64)
    end = begin + np.array([n for _, n in pairs], np.int64)
    assert ranges(begin, end).tolist() == [v for b, e in zip(begin, end, strict=True) for v in range(b, e)]
