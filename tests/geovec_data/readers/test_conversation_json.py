from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geovec_data.errors import UserError
from geovec_data.geometry.clip import points, ring_area
from geovec_data.readers._dialogue import Said, boxes, corners, hear, plain
from geovec_data.records import Reject, Scene
from tests.fixtures import corpora
from tests.fixtures.corpora.geochat_instruct import NAMES, talk
from tests.fixtures.objects import objects
from tests.fixtures.reading import read

CATEGORIES = ("small vehicle", "airplane", "tennis court")


def heard(question: str, answer: str) -> Said:
    said = Said()
    hear(question, answer, "Classify the image", said)
    return said


def of(root: Path, *records: Any) -> tuple[list[Scene], list[Reject]]:
    Image.new("RGB", (200, 100)).save(root / "a.png")
    (root / "GeoChat_Instruct.json").write_text(json.dumps(records))
    return read("conversation_json", root, categories=CATEGORIES)


def test_boxes_in_all_their_spellings() -> None:
    text = "{<1><2><30><40>|<90>}<delim>{<1><2><30><40>} and { <1> <2> <3> <4> | <5> } {<1.5><2><3><4>|5} {<1><2><3>}"
    assert boxes(text) == [(1, 2, 30, 40, 90), (1, 2, 30, 40, 0), (1, 2, 3, 4, 5), (1.5, 2, 3, 4, 5)]


def test_a_box_is_turned_about_its_centre_clockwise_in_pixels() -> None:
    assert corners((10, 20, 30, 40, 0), 200, 100) == (20, 20, 60, 20, 60, 40, 20, 40)
    # a quarter turn takes the upper left corner to the upper right one; width and height change places
    assert corners((10, 20, 30, 40, 90), 200, 100) == (50, 10, 50, 50, 30, 50, 30, 10)
    x0, y0, x1, y1 = corners((40, 40, 60, 60, 30), 100, 100)[:4]
    assert y1 > y0, "the upper side sinks to the right"
    assert math.degrees(math.atan2(y1 - y0, x1 - x0)) == pytest.approx(30)


@given(st.tuples(*[st.integers(0, 100)] * 4), st.integers(-180, 180), st.integers(50, 900), st.integers(50, 900))
def test_turning_keeps_area_and_centre(box: tuple[int, ...], angle: int, width: int, height: int) -> None:
    ring = corners((*map(float, box), float(angle)), width, height)  # type: ignore[arg-type]
    area = abs((box[2] - box[0]) * width * (box[3] - box[1]) * height) / 10_000
    assert ring_area(points(ring)) == pytest.approx(area, abs=0.01)
    assert sum(ring[::2]) / 4 == pytest.approx((box[0] + box[2]) * width / 200, abs=1e-3)


def test_each_kind_of_turn_says_its_own() -> None:
    refer = heard("<image>\n[refer] where is <p>the red car</p> ?", "{<1><2><3><4>|<0>}<delim>{<5><6><7><8>|<0>}")
    assert [e for _, e in refer.phrases.values()] == [["the red car"], ["the red car"]]
    identify = heard("[identify] what is {<1><2><3><4>|<9>}", "<p>1 white airplane</p> at the top.")
    assert identify.phrases == {(1, 2, 3, 4, 9): (["1 white airplane at the top."], ["1 white airplane at the top."])}
    grounded = heard("Describe", "<p>A car</p> {<1><2><3><4>|<0>} near <p>two ships</p> {<5><6><7><8>|<0>} .")
    assert grounded.captions == ["A car near two ships."]
    assert [(names, refs) for names, refs in grounded.phrases.values()] == [(["A car"], []), (["two ships"], [])]
    assert heard("Classify the image within: a, b", "Sparse_Residential.").classes == ["sparse residential"]
    assert heard("[caption] What is it?", "A dam.").captions == ["A dam."]
    assert heard("Please describe the image.", "A long dam between two dry hills.").captions
    one_word = "How many? Answer the question using a single word or phrase."
    assert heard(one_word, "12").questions == [("How many?", "12", "number")]
    assert heard("[vqa] What is it?", "a dam").questions == [("What is it?", "a dam", "short answer")]
    assert heard("Is it dry?", "Yes.").questions[0][2] == "yes or no"
    assert heard("What is in the background?", "Hills.").questions[0][2] == "conversation"
    assert heard("[refer] where?", "{<1><2><3><4>|<0>}").faults
    assert heard("What?", " ").faults


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "part", ["<p>", " ", "{<1><2>", "{ ", "<", "Answer ", "[refer]", "{<1><2><3><4>", "</p><p>", "1"]
)
def test_long_hostile_texts_end(part: str) -> None:
    heard(part * 100_000, "yes")
    heard("[refer] <p>x</p>", part * 100_000)
    heard("Describe", "<p>x</p> {<1><2><3><4>|<5>}" + part * 100_000)


def test_plain_text_has_no_marks() -> None:
    assert plain("<image>\n[VQA] Is <p>it</p> {<1><2><3><4>|<5>} , <delim>so?") == "Is it, so?"


def test_the_records_of_one_image_are_one_scene(tmp_path: Path) -> None:
    corpora.write("geochat_instruct", tmp_path)
    scenes, rejects = read("conversation_json", tmp_path, categories=CATEGORIES)
    assert len(scenes) == 8
    for number, scene in enumerate(scenes):
        drawn = objects(8, number, NAMES, count=3, size=100)
        assert [r.category for r in scene.regions[:2]] == [t.name.replace("boeing737 ", "") for t in drawn[:2]]
        assert [len(r.expressions) for r in scene.regions] == [1, 1, 0]
        assert scene.regions[0].box == drawn[0].box
        assert len(scene.captions) == 1
        assert [q.kind for q in scene.questions] == ["yes or no", "number", "conversation"]
    assert {s.scene_class for s in scenes} == {None, "airport", "meadow"}
    assert sorted((r.path.rpartition("/")[2], r.level, r.code) for r in rejects) == [
        ("05863.jpg", "text", "bad_annotation"),
        ("44.png", "text", "bad_annotation"),
        ("GeoChat_Instruct.json#36", "scene", "bad_annotation"),
        ("lost.png", "scene", "missing_image"),
    ]


def test_an_answer_that_is_only_the_category_refers_to_nothing(tmp_path: Path) -> None:
    (scene,), _ = of(tmp_path, talk("a.png", "[identify] {<1><2><30><40>|<0>}", "Tennis court"))
    assert [(r.category, r.expressions) for r in scene.regions] == [("tennis court", ())]


@pytest.mark.parametrize(
    "conversations",
    [None, "x", [1], [{"from": "human"}], [{"from": "system", "value": "x"}], [{"from": "gpt", "value": "x"}]],
)
def test_a_bad_conversation_loses_itself_only(conversations: Any, tmp_path: Path) -> None:
    good = talk("a.png", "[refer] <p>the car</p>", "{<1><2><30><40>|<0>}")
    (scene,), (reject,) = of(tmp_path, {"image": "a.png", "conversations": conversations}, good)
    assert len(scene.regions) == 1
    assert (reject.level, reject.code) == ("text", "bad_annotation")


def test_an_image_outside_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    records = [talk(name, "Hm?", "Yes") for name in ("../secret.png", "..\\secret.png", "/etc/hosts", "C:\\x.png")]
    scenes, rejects = of(root, *records)
    assert not scenes
    assert {r.code for r in rejects} <= {"unsafe_path", "missing_image"}
    assert len(rejects) == len({r.path for r in rejects}) >= 3


def test_another_json_is_told(tmp_path: Path) -> None:
    (tmp_path / "GeoChat_Instruct.json").write_text("{}")
    with pytest.raises(UserError, match="no list of conversations"):
        read("conversation_json", tmp_path)
