from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from geovec_data.osm.labels.objects import Tags


class TagList:
    """As osmium's: a list of pairs that may hold a key twice, and that is dear to list to its end."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self.listed = self.ended = False

    def __len__(self) -> int:
        return len(self._pairs)

    def get(self, key: str) -> str | None:
        return next((v for k, v in self._pairs if k == key), None)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        self.listed = True
        yield from self._pairs
        self.ended = True


KEYS = st.sampled_from(["building", "name", "height", "addr:street", "roof:shape"])


@given(st.lists(st.lists(st.tuples(KEYS, st.text(max_size=3)), max_size=6, unique_by=lambda p: p[0]), max_size=40))
def test_tags_are_those_that_listing_gives_without_going_to_the_end(objects: list[list[tuple[str, str]]]) -> None:
    read = Tags()
    for pairs in objects:
        tags = TagList(pairs)
        assert read(tags) == dict(pairs)
        assert not tags.ended


def test_the_last_keys_are_not_listed_again_and_a_key_twice_is_never_remembered() -> None:
    read = Tags()
    first, second, other = (TagList([("building", v), (k, "b")]) for v, k in (("a", "name"), ("c", "name"), ("d", "x")))
    assert [read(first), read(second), read(other)] == [
        {"building": "a", "name": "b"},
        {"building": "c", "name": "b"},
        {"building": "d", "x": "b"},
    ]
    assert [first.listed, second.listed, other.listed] == [True, False, True]
    for _ in range(2):
        twice = TagList([("building", "a"), ("building", "b")])
        assert read(twice) == {"building": "b"}
        assert twice.listed
