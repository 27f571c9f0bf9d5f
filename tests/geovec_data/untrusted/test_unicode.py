from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.records import Question, Region, Scene
from geovec_data.untrusted.unicode import no_unicode, printable

GOOD = Scene(key="ö.jpg", corpus="c", path="ö.jpg", captions=("雪",), labels=("a",), places=(("country", "Türkiye"),))
REGION = Region(box=(0, 0, 1, 1), category="ship")


@given(st.text() | st.text(st.characters(categories=["Cs"])))
def test_anything_can_be_printed_and_unicode_stays(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert (shown == text) == (no_unicode(replace(GOOD, scene_class=text)) is None)


@pytest.mark.parametrize(
    "facts",
    [
        {"key": "\udcff.jpg"},
        {"captions": ("a", "\ud800")},
        {"labels": ("\ud800",)},
        {"attributes": (("colour", "\ud800"),)},
        {"places": (("\ud800", "x"),)},
        {"questions": (Question(text="q", answers=("\ud800",), kind="k"),)},
        {"regions": (replace(REGION, category="\ud800"),)},
        {"regions": (REGION, replace(REGION, expressions=("\ud800",)))},
        {"regions": (replace(REGION, tags={"name": "\ud800"}),)},
        {"captured": "\ud800"},
    ],
)
def test_half_a_surrogate_pair_is_found_wherever_it_is(facts: dict[str, Any]) -> None:
    assert no_unicode(GOOD) is None
    assert "\\ud" in (no_unicode(replace(GOOD, **facts)) or "")
