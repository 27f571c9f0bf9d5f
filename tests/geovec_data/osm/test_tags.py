"""The table of tags, and what features are by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from geovec_data.errors import UserError
from geovec_data.osm.tag_table import read_table, table, table_hash
from geovec_data.osm.tags import KEYS, Form, hidden, meaning_of, unknown_tags, width_of

FAMILIES = (
    "building", "landuse", "leisure", "natural", "waterway", "highway", "railway", "power", "man_made", "amenity",
    "sport", "aeroway", "tourism",
)  # fmt: skip


def test_the_table_covers_the_families_of_the_map() -> None:
    entries = table().entries
    assert len(entries) >= 150
    for family in FAMILIES:
        assert any(tag.startswith(f"{family}=") for tag in entries), family
    assert len(table_hash()) == 16
    for entry in entries.values():
        assert entry.name == entry.name.strip().lower()
        assert entry.many != entry.name or entry.name.endswith("s")


@pytest.mark.parametrize(
    ("tags", "form", "name"),
    [
        ({"building": "yes"}, "ring", "building"),
        ({"building": "yes", "amenity": "school"}, "area", "school building"),
        ({"building": "no", "leisure": "pitch", "sport": "tennis"}, "ring", "tennis court"),
        ({"natural": "tree"}, "point", "tree"),
        ({"highway": "residential"}, "line", "street"),
        ({"highway": "footway"}, "ring", None),
        ({"highway": "residential", "tunnel": "yes"}, "line", None),
        ({"amenity": "parking", "parking": "underground"}, "ring", None),
        ({"building": "no"}, "ring", None),
        ({"shop": "bakery"}, "ring", None),
    ],
)
def test_a_feature_is_what_its_tags_and_its_form_say(tags: dict[str, str], form: Form, name: str | None) -> None:
    meaning = meaning_of(tags, KEYS, form)
    assert (meaning and meaning.entry.name) == name
    assert name is None or not hidden(tags)


def test_tags_that_the_table_has_not_are_named_and_never_guessed() -> None:
    assert unknown_tags({"leisure": "quidditch_pitch", "name": "x", "building": "yes"}) == ("leisure=quidditch_pitch",)
    assert meaning_of({"leisure": "quidditch_pitch"}, KEYS, "ring") is None


def test_a_line_is_as_wide_as_its_tags_say() -> None:
    street = meaning_of({"highway": "residential"}, KEYS, "line")
    assert street is not None
    assert width_of(street.entry, {"width": "7 m"}) == 7
    assert width_of(street.entry, {"lanes": "2"}) == pytest.approx(6.6)
    assert width_of(street.entry, {"width": "wide"}) == width_of(street.entry, {"width": "4000"}) == street.entry.width


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("keys: {building: {yes: {name: house, gsd: 1}, yes: {name: hut, gsd: 1}}}", "stands twice"),
        ("keys: {building: {a: {name: house, gsd: 1, of: [dwelling]}}}\nkinds: {}\nbroader: []\nuses: {}", "ancestors"),
        ("keys: {highway: {a: {name: road, gsd: 1, geometry: line}}}\nkinds: {}\nbroader: []\nuses: {}", "width"),
        ("keys: [", "no table of tags"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "tags.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        read_table(file)
