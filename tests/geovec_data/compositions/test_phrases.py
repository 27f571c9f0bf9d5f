"""Wordings mean what they were made of; the checker goes by the labels alone."""

from __future__ import annotations

from itertools import permutations

import pytest

from geovec_data.compositions.check import Facts, supported
from geovec_data.compositions.mapped import AMOUNTS
from geovec_data.compositions.phrases import WORDINGS, Change, meanings, phrase, things

CATEGORIES = ["ship", "tennis court", "storage tank", "bus", "water", "ground track field"]
VALUES = [("color", "blue"), ("color", "gray"), ("shape", "oval"), ("quantity", "many"), ("density", "many")]
CHANGES = [Change(kind, c) for kind in ("with", "without") for c in CATEGORIES] + [  # type: ignore[arg-type]
    Change("attribute", "color", "blue", "gray"),
    Change("attribute", "shape", "round", "oval"),
    *(Change("amount", c, before, after) for c in ("ship", "bus") for before, after in permutations(AMOUNTS, 2)),
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_a_wording_means_the_change_it_was_made_of(change: Change, seed: int) -> None:
    found = list(meanings(phrase(change, seed), CATEGORIES, VALUES))
    assert [(c.kind, c.name, c.after) for c in found] == [(change.kind, change.name, change.after)]
    assert found[0].before in ("", change.before)


def test_wordings_differ_and_the_plain_one_is_the_first() -> None:
    ship = Change("without", "ship")
    assert {phrase(ship, seed) for seed in range(8)} == {w.format(things="ships") for w in WORDINGS["without"]}
    assert phrase(ship, 3, plain=True) == "without ships"
    assert phrase(Change("attribute", "color", "blue", "gray"), 3, plain=True) == "gray"
    assert things("water") == "water"


def test_a_text_with_two_meanings_has_both() -> None:
    assert {c.name for c in meanings("many", CATEGORIES, VALUES)} == {"quantity", "density"}
    assert {c.name for c in meanings("without buses", ["bus", "buse"], [])} == {"bus", "buse"}
    assert list(meanings("paint it red", CATEGORIES, VALUES)) == []


def labelled(*categories: str) -> Facts:
    return Facts(categories=frozenset(categories))


@pytest.mark.parametrize(
    ("text", "query", "target", "right"),
    [
        ("without ships", labelled("ship", "harbor"), labelled("harbor"), True),
        ("without ships", labelled("ship", "harbor"), labelled("ship", "harbor"), False),
        ("without ships", labelled("ship", "harbor"), labelled(), False),  # the harbour went too
        ("without ships", labelled("harbor"), labelled("harbor"), False),
        ("add ships", labelled("harbor"), labelled("harbor", "ship"), True),
        ("add ships", labelled("harbor"), labelled("ship"), False),
        ("add ships", labelled("harbor"), labelled("harbor", "ship", "car"), False),
    ],
)
def test_the_checker_compares_category_sets(text: str, query: Facts, target: Facts, right: bool) -> None:
    assert supported(text, query, target, ["ship", "harbor", "car"], []) is right


def counted(amount: str, *categories: str) -> Facts:
    return Facts(categories=frozenset(categories), amounts=frozenset({("ship", amount)}))


@pytest.mark.parametrize(
    ("text", "query", "target", "right"),
    [
        ("with dozens of ships", counted("few", "ship"), counted("dozens", "ship"), True),
        ("with dozens of ships", counted("dozens", "ship"), counted("dozens", "ship"), False),
        ("with dozens of ships", counted("few", "ship"), counted("dozens", "ship", "car"), False),
        ("with dozens of ships", counted("few", "ship"), labelled("ship"), False),  # nobody knows how many
        ("not just a few, but dozens of ships", counted("few", "ship"), counted("dozens", "ship"), True),
        ("not just a few, but dozens of ships", counted("one", "ship"), counted("dozens", "ship"), False),
        ("not dozens, but a single ship", counted("dozens", "ship"), counted("one", "ship"), True),
    ],
)
def test_the_checker_compares_amounts_among_equal_sets(text: str, query: Facts, target: Facts, right: bool) -> None:
    assert supported(text, query, target, ["ship", "car"], []) is right


def painted(scene_class: str, **attributes: str) -> Facts:
    return Facts(scene_class=scene_class, attributes=frozenset(attributes.items()))


@pytest.mark.parametrize(
    ("text", "query", "target", "right"),
    [
        ("gray", painted("court", color="blue"), painted("court", color="gray"), True),
        ("gray", painted("court", color="blue"), painted("pool", color="gray"), False),
        ("gray", painted("court", color="gray"), painted("court", color="gray"), False),
        ("gray", painted("court"), painted("court", color="gray"), False),
        ("the color is gray, not blue", painted("court", color="blue"), painted("court", color="gray"), True),
        ("the color is gray, not blue", painted("court", color="red"), painted("court", color="gray"), False),
        ("change the color to blue", painted("court", color="blue"), painted("court", color="gray"), False),
    ],
)
def test_the_checker_compares_attributes_within_a_class(text: str, query: Facts, target: Facts, right: bool) -> None:
    assert supported(text, query, target, [], VALUES) is right
