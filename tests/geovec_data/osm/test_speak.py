"""Captions and questions from a survey of the map: what is said is what the map has."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from geovec_data.osm.captions import amount, captions_of
from geovec_data.osm.questions import absent, questions_of, there
from geovec_data.osm.speak import speak
from geovec_data.osm.stated import nouns_of
from geovec_data.osm.survey import Survey, Thing
from geovec_data.osm.tag_table import table
from geovec_data.records import Region, Scene


def thing(tag: str, box: tuple[float, float, float, float], *, visible: float = 1.0, sure: bool = True) -> Thing:
    area = (box[2] - box[0]) * (box[3] - box[1])
    return Thing(
        entry=table().entries[tag], form="area", share=area / 200**2, visible=visible, box=box, whole=area * 0.25,
        seen=area * 0.25, sure=sure,
    )  # fmt: skip


HOUSES = (thing("building=house", (10, 10, 40, 40)), thing("building=house", (60, 10, 90, 40)))
POOL = thing("leisure=swimming_pool", (150, 150, 180, 180))
KNOWN = {"house": 0.9, "building": 0.9, "residential building": 0.9, "swimming pool": 0.9, "tennis court": 0.9}


def survey(*things: Thing, complete: dict[str, float] | None = None, stated: tuple[str, ...] = ()) -> Survey:
    return Survey(
        things=things, width=200, height=200, gsd=0.5, complete=complete or {}, level=0.3, stated=nouns_of(stated)
    )


def answers(found: Survey) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    out: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for seed in range(30):  # what is asked is drawn: over many draws everything is
        for q in questions_of(found, random.Random(seed)):
            out.setdefault(q.kind, []).append((q.text.lower(), q.answers))
    return out


def test_no_is_answered_only_where_the_map_is_complete() -> None:
    sparse = answers(survey(*HOUSES, POOL))
    assert {a for _, a in sparse["presence"]} == {("yes",)}
    assert set(sparse) == {"presence"}, "nothing is counted, compared or measured on a map that may lack things"
    known = answers(survey(*HOUSES, POOL, complete=KNOWN))
    denied = {text for text, a in known["presence"] if a == ("no",)}
    assert denied
    assert all("tennis court" in text for text in denied), denied


def test_what_the_user_states_unlocks_that_key_and_no_other() -> None:
    said = answers(survey(*HOUSES, POOL, stated=("building",)))
    assert {"presence", "count"} <= set(said)
    assert all("house" in text or "building" in text for text, _ in said["count"]), said["count"]
    assert {a for _, a in said["presence"]} == {("yes",)}, "nothing else is denied"
    bare = answers(survey(POOL, stated=("building",)))
    denied = {text for text, a in bare["presence"] if a == ("no",)}
    assert denied
    assert not any("pool" in text for text in denied)
    assert not survey(stated=("building",)).lacks("swimming pool")
    assert survey(stated=("building",)).lacks("building"), "an image without anything on the map, too"


def test_a_noun_of_two_keys_needs_a_statement_of_both() -> None:
    assert "storage tank" not in nouns_of(("building",))
    assert "storage tank" in nouns_of(("building", "man_made"))
    assert {"tennis court", "swimming pool", "sports pitch"} <= nouns_of(("leisure",))
    assert "building" in nouns_of(("building",))
    assert not nouns_of(())


def test_counts_are_those_of_the_things_mostly_inside() -> None:
    cut = thing("building=house", (0, 100, 5, 130), visible=0.2)
    found = answers(survey(*HOUSES, cut, POOL, complete=KNOWN))
    for text, answer in found["count"]:
        assert answer == ("1",) if "pool" in text else ("2",), text
    for text, answer in found.get("comparison", []):
        if "house" in text and "pool" in text:
            assert answer == (("yes",) if text.index("house") < text.index("pool") else ("no",)), text


def test_a_thing_too_small_to_be_told_is_not_counted() -> None:
    small = thing("building=house", (100, 100, 103, 103), sure=False)
    assert survey(*HOUSES, small, complete=KNOWN).count("house") is None
    assert survey(*HOUSES, complete=KNOWN).count("house") == 2


@pytest.mark.parametrize("seed", range(20))
def test_captions_name_what_is_there_and_nothing_else(seed: int) -> None:
    texts = " ".join(captions_of(survey(*HOUSES, POOL, complete=KNOWN), random.Random(seed)))
    assert "house" in texts or "building" in texts
    for word in ("tennis", "road", "forest", "church"):
        assert word not in texts


def test_a_scene_says_the_same_each_time_and_marks_it_as_made() -> None:
    scene = Scene(key="a", corpus="c", path="a", image_id="0" * 32, survey=survey(*HOUSES, POOL, complete=KNOWN))
    said = speak(scene, expressions=False, captions=True, questions=True)
    assert said == speak(scene, expressions=False, captions=True, questions=True)
    assert said.synthetic == ("captions", "questions")
    bare = speak(scene, expressions=False, captions=False, questions=False)
    assert (bare.captions, bare.questions, bare.synthetic) == ((), (), ())
    assert speak(Scene(key="a", corpus="c", path="a"), expressions=True, captions=True, questions=True).captions == ()


def test_the_aisle_of_a_car_park_is_not_asked_for_as_a_road() -> None:
    aisle = replace(thing("highway=service", (0, 90, 200, 100)), form="line")
    found = survey(aisle, complete={"road": 0.9, "service road": 0.9})
    assert there(found) == {"service road"}
    assert "road" not in absent(found)


def test_no_number_where_the_image_is_much_sparser_than_its_surroundings() -> None:
    """Two houses where forty are usual: the map may have a hole here."""
    usual = {"house": 40 / (200 * 0.5) ** 2}
    found = Survey(things=HOUSES, width=200, height=200, gsd=0.5, complete=KNOWN, density=usual, level=0.3)
    assert found.count("house") is None
    assert "several" not in " ".join(captions_of(found, random.Random(0)))
    assert "two houses" not in " ".join(captions_of(found, random.Random(0)))


def test_halves_are_compared_where_one_holds_clearly_more() -> None:
    left = [thing("building=house", (5, 20 * i, 15, 20 * i + 10)) for i in range(6)]
    right = thing("building=house", (150, 10, 160, 20))
    between = thing("building=house", (94, 10, 104, 20))
    asked = {text: a for text, a in answers(survey(*left, right, complete=KNOWN))["comparison"] if "half" in text}
    assert asked
    for text, answer in asked.items():
        place = min(("left", "right", "upper", "lower"), key=lambda side: text.find(side) if side in text else 999)
        assert place not in ("lower", "upper") or answer == (("yes",) if place == "upper" else ("no",)), text
        assert place not in ("left", "right") or answer == (("yes",) if place == "left" else ("no",)), text
    even = survey(*left[:3], right, between, complete=KNOWN)
    found = answers(even).get("comparison", [])
    assert not any("left half" in text for text, _ in found), "one between the halves may be counted in either"


def test_a_number_is_rounded_where_some_are_cut_off() -> None:
    cut = thing("building=house", (0, 190, 10, 200), visible=0.3)

    def said(count: int, cuts: int) -> str:
        houses = [thing("building=house", (10 * i, 10, 10 * i + 9, 20)) for i in range(count)]
        return amount(survey(*houses, *[cut] * cuts, complete=KNOWN), "house", [*houses, *[cut] * cuts])

    assert (said(8, 0), said(8, 1), said(8, 2)) == ("eight houses", "eight or nine houses", "several houses")
    assert (said(18, 0), said(18, 4), said(18, 9)) == ("about 20 houses", "about 20 houses", "many houses")


def test_plants_and_roads_have_no_number() -> None:
    gardens = tuple(thing("leisure=garden", (10 + 50 * i, 10, 50 + 50 * i, 60)) for i in range(3))
    street = thing("highway=pedestrian", (0, 100, 200, 130))
    found = survey(*gardens, street, complete={**KNOWN, "garden": 0.9, "pedestrian area": 0.9, "vegetation": 0.9})
    assert not {"count", "area", "comparison"} & set(answers(found))
    assert "three" not in " ".join(captions_of(found, random.Random(0)))


def test_nothing_is_denied_where_many_are_usual() -> None:
    """No house where ten are usual: a hole in the map, or a factory that holds them all."""
    for usual, lacks in ((10, False), (0.5, True)):
        density = {"house": usual / (200 * 0.5) ** 2}
        found = Survey(things=(POOL,), width=200, height=200, gsd=0.5, complete=KNOWN, density=density, level=0.3)
        assert found.lacks("house") is lacks


def test_a_setting_is_not_named_as_a_thing_in_itself() -> None:
    texts = captions_of(survey(thing("power=plant", (0, 0, 200, 200)), POOL), random.Random(1))
    assert all(t.count("power plant") == 1 for t in texts), texts


@pytest.mark.parametrize(
    ("step", "size", "said"),
    [
        (20, 20, "About 40 buildings cover about two fifths of the image. Most of them are built against one another."),
        (20, 10, "About 40 buildings cover about a tenth of the image. Most of them stand apart from one another."),
    ],
)
def test_what_all_buildings_cover_and_how_near_they_stand(step: int, size: int, said: str) -> None:
    boxes = [(step * (i % 8), step * (i // 8), step * (i % 8) + size, step * (i // 8) + size) for i in range(40)]
    found = survey(*(thing("building=*", box) for box in boxes), stated=("building",))
    assert any(said in t for t in captions_of(found, random.Random(0))), captions_of(found, random.Random(0))
    assert not any(
        "cover" in t or "apart" in t for t in captions_of(replace(found, stated=frozenset()), random.Random(0))
    )


def test_the_largest_building_is_placed_where_it_leads_clearly() -> None:
    hall, rival = thing("building=*", (10, 10, 60, 60)), thing("building=*", (120, 120, 160, 170))
    huts = [thing("building=*", (100 + 20 * i, 20, 110 + 20 * i, 30)) for i in range(3)]
    alone = survey(hall, *huts, stated=("building",))
    assert any(
        "The largest building is in the upper left of the image." in t for t in captions_of(alone, random.Random(0))
    )
    two = survey(hall, rival, *huts, stated=("building",))
    assert not any("largest" in t for t in captions_of(two, random.Random(0)))


def test_a_building_that_the_image_does_not_show_is_not_counted() -> None:
    pixels = np.full((200, 200, 3), 200, np.uint8)
    pixels[10:40, 60:90] = (40, 160, 40)  # a tree over the second house
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    regions = tuple(Region(box=h.box, category="house", ancestors=h.entry.of) for h in HOUSES)
    scene = Scene(
        key="a", corpus="c", path="a", image_id="0" * 32, width=200, height=200, data=out.getvalue(), regions=regions,
        survey=survey(*HOUSES, complete=KNOWN),
    )  # fmt: skip
    said = speak(scene, expressions=False, captions=True, questions=True)
    assert not any(q.kind in ("count", "area") for q in said.questions), said.questions
    assert "two houses" not in " ".join(said.captions)
    assert (bool(said.regions[0].captions), bool(said.regions[1].captions)) == (True, False)
    bare = speak(replace(scene, data=None), expressions=False, captions=True, questions=True)
    assert any(q.kind == "count" for q in bare.questions)
