"""A split that is far from what was asked is told."""

from __future__ import annotations

import pytest

from geovec_data.splits.options import SplitOptions
from geovec_data.splits.uneven import uneven

BLOCKS = SplitOptions(method="blocks")


def counts(**by: int) -> dict[str, dict[str, object]]:
    return {"osm": {"images": sum(by.values()), "images_by_split": by}}


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ({"train": 38, "val": 5, "test": 5}, False),
        ({"train": 6, "val": 20, "unused": 22}, True),  # Banepa's 48 chips by the recipe's blocks
        ({"train": 15, "val": 10, "test": 5, "unused": 18}, True),
        ({"train": 100, "val": 20}, True),
        ({"train": 10}, False),  # too few to tell
    ],
)
def test_a_split_far_from_its_shares_is_told(by: dict[str, int], told: bool) -> None:
    assert bool(uneven({"osm": BLOCKS}, counts(**by))) == told


def test_the_line_says_what_was_asked_what_came_and_the_way_out() -> None:
    (line,) = uneven({"osm": BLOCKS}, counts(train=6, val=20, unused=22))
    assert "train 80%, val 10%, test 10%: of 48 images train 6, val 20, test 0, unused 22" in line
    assert "split.block" in line


def test_what_was_not_asked_is_not_missed() -> None:
    assert not uneven({"osm": SplitOptions(train=0.75, val=0.0, test=0.25)}, counts(train=75, test=25))
    assert not uneven({"osm": SplitOptions(method="official")}, counts(train=50))
