"""Captions of regions say what a region is; expressions single it out."""

from __future__ import annotations

import random

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.osm.outline import shape_of
from geovec_data.osm.region_captions import region_captions
from geovec_data.osm.seen import told_colours, unseen
from geovec_data.osm.speak import speak
from geovec_data.osm.survey import Survey, Thing
from geovec_data.osm.tag_table import table
from geovec_data.records import Region, Scene


def thing(tag: str, x0: float, y0: float, x1: float, y1: float, *, visible: float = 1.0) -> Thing:
    area = (x1 - x0) * (y1 - y0) * 0.25
    return Thing(
        entry=table().entries[tag], form="area", share=area / (200 * 100), visible=visible, box=(x0, y0, x1, y1),
        whole=area / visible, seen=area, sure=True,
    )  # fmt: skip


def region(of: Thing, **tags: str) -> Region:
    return Region(box=of.box, category=of.entry.name, ancestors=of.entry.of, visible=of.visible, tags=tags)


HOUSE = thing("building=house", 40, 40, 70, 60)
PARK = thing("leisure=park", 20, 20, 180, 180)
POOL = thing("leisure=swimming_pool", 75, 40, 85, 50)
SHED = thing("building=shed", 170, 0, 200, 30, visible=0.2)


def survey(*things: Thing, complete: dict[str, float] | None = None) -> Survey:
    return Survey(things=things, width=200, height=200, gsd=0.5, complete=complete or {}, level=0.3)


def said(of: Thing, found: Survey, colours: dict[str, float] | None = None, **tags: str) -> set[str]:
    return {
        t for seed in range(40) for t in region_captions(region(of, **tags), found, colours or {}, random.Random(seed))
    }


def test_a_caption_tells_what_it_is_its_form_its_roof_and_what_is_around() -> None:
    texts = said(HOUSE, survey(HOUSE, PARK, POOL), {"red": 0.8}, **{"roof:shape": "gabled"})
    assert any("rectangular house with a red gabled roof" in t for t in texts)
    assert any(t.endswith("in a park") for t in texts)
    assert any(t.endswith("beside a swimming pool") for t in texts)
    assert any("of about 150 square metres" in t for t in texts)
    assert len(texts) > 5, "several wordings"


def test_what_is_not_on_the_map_or_not_clear_is_not_said() -> None:
    texts = " ".join(said(HOUSE, survey(HOUSE), {"red": 0.3, "gray": 0.3}))
    for word in ("park", "pool", "red", "gray", "roof", "against", "among", "only"):
        assert word not in texts


def test_a_cut_thing_has_no_form_and_no_area_and_is_said_to_be_cut() -> None:
    cut = thing("building=house", 0, 40, 30, 60, visible=0.5)
    texts = said(cut, survey(cut))
    assert any("cut off by the left edge" in t for t in texts)
    assert not any("rectangular" in t or "square metres" in t for t in texts)


def test_captions_differ_from_expressions_and_both_come_again() -> None:
    found = survey(HOUSE, PARK, POOL, SHED, complete={"house": 0.9, "park": 0.9, "swimming pool": 0.9})
    scene = Scene(
        key="a", corpus="c", path="a", width=200, height=200, image_id="0" * 32, survey=found,
        regions=(region(HOUSE), region(POOL)),
    )  # fmt: skip
    spoken = speak(scene, expressions=True, captions=True, questions=False)
    assert spoken == speak(scene, expressions=True, captions=True, questions=False)
    assert {"expressions", "region_captions"} <= set(spoken.synthetic)
    for r in spoken.regions:
        assert r.captions
        assert r.expressions
        assert all(t.startswith("the ") for t in r.expressions)
        assert not any(t.startswith("the ") for t in r.captions)


def test_an_expression_reckons_with_what_is_cut_off_and_says_only_where_the_map_is_complete() -> None:
    """A house at the top edge, of which too little is shown for a region, is yet a house at the top edge."""
    at_top = thing("building=house", 40, 0, 70, 20)
    sliver = thing("building=house", 150, 0, 170, 4, visible=0.1)
    for things, level in (((at_top, sliver), 0.9), ((at_top,), 0.9), ((at_top,), 0.0)):
        found = survey(*things, complete={"house": level})
        texts = set()
        for n in range(40):
            scene = Scene(
                key="a", corpus="c", path="a", width=200, height=200, image_id=f"{n:032}", survey=found,
                regions=(region(at_top),),
            )  # fmt: skip
            texts.update(speak(scene, expressions=True, captions=False, questions=False).regions[0].expressions)
        assert bool({"the house touching the top edge", "the only house touching the top edge"} & texts) == (
            len(things) == 1
        ), texts
        assert any("only" in t for t in texts) == (level > 0.3), texts


@pytest.mark.parametrize(
    ("ring", "form"),
    [
        ([(0, 0), (10, 0), (10, 10), (0, 10)], "square"),
        ([(0, 0), (20, 0), (20, 10), (0, 10)], "rectangular"),
        ([(0, 0), (90, 0), (90, 10), (0, 10)], "long"),
        ([(0, 0), (20, 0), (20, 10), (10, 10), (10, 20), (0, 20)], "L-shaped"),
        ([(0, 0), (20, 0), (0, 20)], None),
        (list(shapely.Point(0, 0).buffer(5).exterior.coords), "round"),
    ],
)
def test_the_form_of_an_outline(ring: list[tuple[float, float]], form: str | None) -> None:
    assert shape_of(shapely.Polygon(ring)) == form


@given(st.floats(0, 180), st.floats(1, 3), st.floats(0.5, 50))
def test_a_turned_rectangle_stays_one(angle: float, ratio: float, size: float) -> None:
    import shapely.affinity

    turned = shapely.affinity.rotate(shapely.box(0, 0, size * ratio, size), angle)
    assert shape_of(turned) in ("square", "rectangular")


def test_nothing_is_said_of_what_the_pixels_do_not_show() -> None:
    house, garden = region(HOUSE), region(thing("leisure=garden", 100, 100, 140, 140))
    grey, dark = np.full((200, 200, 3), 150, np.uint8), np.full((200, 200, 3), 30, np.uint8)
    assert not unseen(house, {"gray": 1.0}, grey)
    assert not unseen(house, {"black": 1.0}, dark), "a roof may be dark"
    assert unseen(house, {"green": 0.4, "greenish": 0.2}, grey), "a tree, or no house at all"
    assert unseen(garden, {"black": 0.5, "green": 0.5}, dark)
    assert unseen(garden, {"gray": 1.0}, grey), "no garden any more"
    rim = thing("building=house", 0, 40, 12, 60, visible=0.4)
    assert unseen(region(rim), {"gray": 1.0}, grey)
    assert not unseen(garden, {"green": 1.0}, grey)


def test_a_colour_is_told_of_wide_roofs_only_and_not_beside_a_tree() -> None:
    house = region(HOUSE)
    assert told_colours(house, 0.5, {"red": 0.9}) == {"red": 0.9}
    assert told_colours(house, 0.1, {"red": 0.9}) == {}
    assert told_colours(house, 0.5, {"red": 0.7, "greenish": 0.3}) == {}
    assert told_colours(region(PARK), 0.5, {"green": 0.9}) == {}
