"""Every rule on a dataset made for it, through the whole run; the encoder's vectors are decided by the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from geovec_data.boxes import iou as iou_of_two
from geovec_data.ids import item_id
from geovec_data.mining.mine import MineConfig, run
from geovec_data.mining.plan import Lists, ranges
from geovec_data.mining.policy import RULE_NAMES, iou
from geovec_data.records import Segment, Segments
from tests.fixtures.handmade import INSTRUCTIONS, Book, Painting
from tests.fixtures.vectors import decided


def text(words: str) -> Segments:
    return (Segment.of_text(words),)


def region(image: str, *box: float) -> Segments:
    x0, y0, x1, y1 = box
    return (Segment.of_image(image), Segment.of_box((x0, y0, x1, y1)))


def fan(degrees: float) -> tuple[float, float]:
    """A vector at an angle from the query, which lies at 0."""
    return float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))


class World:
    """A dataset whose items stand at decided angles; what a run says of each candidate of an example."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.book = Book()
        self.angles: dict[str, tuple[float, float]] = {}
        self.names: dict[str, str] = {}

    def at(self, degrees: float, segments: Segments, name: str = "") -> Segments:
        self.angles[item_id(segments)] = fan(degrees)
        self.names[item_id(segments)] = name or (segments[0].text or "")
        return segments

    def image(self, key: str) -> str:
        return self.book.image(Painting(key, background=(len(self.book.rows["images"]), 3, 5)))

    def mine(self, **options: Any) -> dict[str, Any]:
        path = self.book.write(self.folder / "dataset")
        encoder = decided(path, self.folder / "encoder", self.angles)
        return run(MineConfig.model_validate({"dataset": path, "encoder": encoder, "device": "cpu", **options}))

    def verdicts(self, example: str) -> dict[str, str | None]:
        table = pq.read_table(self.folder / "dataset/mining/default/candidates.parquet").to_pylist()
        return {self.names[r["item"]]: r["dropped_by"] for r in table if r["example"] == example}

    def negatives(self, example: str) -> list[dict[str, Any]]:
        table = pq.read_table(self.folder / "dataset/mining/default/negatives.parquet").to_pylist()
        return [r | {"name": self.names[r["item"]]} for r in table if r["example"] == example]


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
    world.mine(k=1)
    assert world.verdicts(first) == {"a": "known_positive"}  # b is neither a positive nor a candidate


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
        "many planes parked": "duplicate_caption",
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
        ("less than half", 5, a, (0, 0, 9, 20)),
        ("its place elsewhere", 6, b, (0, 0, 20, 20)),
    ):
        world.book.distractor("text_to_region", image, world.at(degrees, region(image, *box), name))
    facts = world.mine(k=2)
    assert world.verdicts(first) == {
        "right": "known_positive",
        "nearly it": "same_image",
        "half of it": "same_image",
        "less than half": None,
        "its place elsewhere": None,
    }
    assert [(n["name"], n["kind"], n["rank"]) for n in world.negatives(first)] == [
        ("less than half", "region", 0),
        ("its place elsewhere", "hard", 1),
    ]
    assert facts["tasks"]["text_to_region"]["negatives"] == {"hard": 1, "region": 1}


def test_max_iou_is_an_option(world: World) -> None:
    a = world.image("a")
    first = world.book.example(
        "text_to_region", world.at(0, text("it")), [world.at(2, region(a, 0, 0, 20, 20), "right")], image=a
    )
    world.book.distractor("text_to_region", a, world.at(5, region(a, 0, 0, 9, 20), "near half"))
    world.mine(k=1, policy={"max_iou": 0.4})
    assert world.verdicts(first)["near half"] == "same_image"


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


def test_rules_are_named_after_what_they_do() -> None:
    assert RULE_NAMES == (
        "known_positive",
        "duplicate_caption",
        "same_image",
        "relative_margin",
        "max_score",
        "min_score",
    )


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
