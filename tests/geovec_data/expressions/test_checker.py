from __future__ import annotations

import pytest

from geovec_data.expressions.check import Checker
from geovec_data.expressions.emit import predicates
from geovec_data.expressions.parse import Lexicon, parse
from geovec_data.expressions.truth import Beyond
from tests.fixtures.drawn import ORCHARD, H, W, a_scene, only, tree
from tests.fixtures.referee import Referee


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("the largest tree", 1),
        ("the second largest tree", 5),
        ("the smallest tree", 4),
        ("the tree in the upper left", 0),
        ("the tree in the upper right part of the image", 2),
        ("the tree in the lower left of the image", 3),
        ("the tree in the lower right", 5),
        ("the tree in the upper middle", 1),
        ("the tree at the bottom center of the image", 4),
        ("the building", 6),
        ("the only building", 6),
        ("the building in the middle right", 6),
        ("the tree nearest to the building", None),  # 4 and 5 are about as far
        ("the nearest tree below the building", None),
        ("the tree just to the lower right of the building", 5),
        ("the tree to the upper right of the building", 2),
        ("the tree to the upper left of the building", None),  # 0 and 1 both
        ("the nearest tree to the upper left of the building", 1),
        ("the nearest tree above the smallest tree", 1),
        ("the tree above the smallest tree", None),  # 0 and 2 are not clearly beside it
        ("the tree closest to the smallest tree", None),
        ("the nearest tree to the left of the tree in the lower right", 4),
        ("the leftmost tree", None),  # two share the left
        ("the leftmost tree at the top", 0),
        ("the third tree from the left at the top", 2),
        ("the second tree from the right at the top", 1),
        ("the topmost tree on the left", 0),
        ("the bottommost tree on the left", 3),
        ("the upper one of the two trees on the left", 0),
        ("the lower one of the two trees on the right", 5),
        ("the larger of the two trees on the right", 5),
        ("the smaller of the two trees at the top", None),  # there are three
        ("the most isolated tree", None),  # the two on the left are about as far from their neighbours
        ("the most isolated tree at the bottom", 3),
        ("the tree touching the left edge", None),  # none does
    ],
)
def test_what_the_words_mean_by_hand(text: str, index: int | None) -> None:
    expression = parse(text, Lexicon.of(ORCHARD.regions))
    assert expression is not None
    assert Checker(predicates(ORCHARD, None)).only(expression) == index
    verdicts = Referee(ORCHARD.regions, (W, H), None).fits(expression)
    assert [i for i, v in enumerate(verdicts) if v is not False] == [index] if index is not None else True


@pytest.mark.parametrize(
    "text",
    ["", "tree", "a tree", "the", "the tree in", "the shrub", "the tree just closest to the building",
     "the second tree", "the tree to the left of", "the nearest tree", "the tree in the upper left somewhere"],
)  # fmt: skip
def test_what_is_not_of_the_grammar_is_not_read(text: str) -> None:
    assert parse(text, Lexicon.of(ORCHARD.regions)) is None


def test_near_ties_decide_nothing() -> None:
    assert only(a_scene(tree(40, 80, 20, 20), tree(150, 80, 21, 21)), "the largest tree") is None
    assert only(a_scene(tree(40, 80, 20, 20), tree(150, 80, 22, 22)), "the largest tree") == 1
    assert only(a_scene(tree(40, 20), tree(44, 120)), "the leftmost tree") is None
    assert only(a_scene(tree(40, 20), tree(46, 120)), "the leftmost tree") == 0
    assert only(a_scene(tree(40, 20, 8, 8), tree(46, 120, 40, 40)), "the leftmost tree") is None  # it reaches farther
    assert only(a_scene(tree(40, 20), tree(80, 20)), "the tree on the left") is None  # the other is at 40 %
    assert only(a_scene(tree(40, 20), tree(90, 20)), "the tree on the left") == 0


def test_an_object_that_the_image_cuts_has_no_size_to_boast_of() -> None:
    cut = tree(5, 80, 10, 20, visible=0.4)  # 200 square pixels of 500
    assert only(a_scene(cut, tree(100, 80, 20, 20)), "the smallest tree") is None
    assert only(a_scene(cut, tree(100, 80, 30, 30)), "the smallest tree") == 0
    assert only(a_scene(cut, tree(100, 80, 30, 30)), "the largest tree") == 1


def test_an_outline_tells_a_size_better_than_its_box() -> None:
    x0, y0, x1, y1 = tree(50, 50, 40, 40).box
    thin = tree(50, 50, 40, 40, polygon=(x0, y0, x0 + 4, y0, x1, y1, x1 - 4, y1))
    assert only(a_scene(thin, tree(140, 50, 30, 30)), "the largest tree") == 1


def test_a_broad_name_is_not_taken_for_the_absence_of_a_narrow_one() -> None:
    house = tree(40, 40, category="house", ancestors=("building",))
    scene = a_scene(house, tree(140, 40, category="building"))
    assert only(scene, "the house") is None  # the other may be a house that nobody tagged
    assert only(scene, "the building on the left") == 0
    assert only(a_scene(house, tree(140, 40, category="tree")), "the house") == 0


def test_an_attribute_that_is_not_stated_is_not_denied() -> None:
    dead = tree(40, 40, attributes=(("status", "dead"),))
    assert only(a_scene(dead, tree(140, 40)), "the dead tree") is None
    assert only(a_scene(dead, tree(140, 40, attributes=(("status", "alive"),))), "the dead tree") == 0


def test_a_noun_that_begins_like_an_adjective_stays_a_noun() -> None:
    scene = a_scene(
        tree(40, 40, 10, 10, "large vehicle"), *(tree(30 + 40 * i, 120, 30, 30, "vehicle") for i in range(4))
    )
    assert only(scene, "the large vehicle") == 0
    assert only(scene, "the big vehicle") is None


@pytest.mark.parametrize(
    ("text", "needs_all"),
    [
        ("the building", True),
        ("the only building", True),
        ("the building in the middle right", False),
        ("the largest tree", False),
        ("the smallest tree", True),
    ],
)
def test_what_presupposes_that_all_are_labelled(text: str, needs_all: bool) -> None:
    expression = parse(text, Lexicon.of(ORCHARD.regions))
    assert expression is not None
    unsure = predicates(ORCHARD, None, Beyond(whole=frozenset()))
    assert (Checker(unsure).only(expression) is None) is needs_all
    assert (
        Checker(predicates(ORCHARD, None, Beyond(whole=frozenset({"tree", "building"})))).only(expression) is not None
    )
