from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from geovec_data.osm.labels.objects import tags_of


class TagList:
    """As osmium's: a list of pairs that may hold a key twice, and that is dear to list to its end."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self.ended = False

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        yield from self._pairs
        self.ended = True


@dataclass
class Item:
    tags: TagList


KEYS = st.sampled_from(["building", "name", "height", "addr:street", "roof:shape"])


@given(st.lists(st.tuples(KEYS, st.text(max_size=3)), max_size=6))
def test_tags_are_those_that_listing_gives_without_going_to_the_end(pairs: list[tuple[str, str]]) -> None:
    item = Item(TagList(pairs))
    assert tags_of(item) == dict(pairs)
    assert not item.tags.ended
