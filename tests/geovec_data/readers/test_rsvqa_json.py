from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.errors import UserError
from geovec_data.readers._answers import as_range, range_names, stated
from geovec_data.recipe.files import load_recipe
from tests.fixtures import reading
from tests.fixtures.rsvqa import BOTTOM, LEFT, high_resolution, low_resolution

read = partial(reading.read, "rsvqa_json")


def options(recipe: str) -> dict[str, Any]:
    return load_recipe(recipe).reader.options


def rewrite(file: Path, change: Any) -> None:
    tree = json.loads(file.read_text())
    change(next(iter(tree.values())))
    file.write_text(json.dumps(tree))


def test_an_image_becomes_a_scene_with_its_questions(tmp_path: Path) -> None:
    low_resolution(tmp_path)
    scenes, rejects = read(tmp_path, **options("rsvqa_lr"))
    assert not rejects
    assert [(s.path, s.split) for s in scenes] == [
        (f"Images_LR/{n}.tif", s) for n, s in enumerate(["train", "train", "train", "val", "test", "test"])
    ]
    kinds = {q.kind: q for q in scenes[0].questions}
    assert kinds["rural_urban"].answers == ("rural",)
    assert kinds["rural_urban"].choices == ("rural", "urban")
    assert kinds["comp"].choices == ("yes", "no")
    assert [q.answers for q in scenes[0].questions if q.kind == "count"] == [("0",), ("between 0 and 10",)]
    assert [q.answers for q in scenes[1].questions if q.kind == "count"] == [
        ("between 10 and 100",),
        ("more than 1000",),
    ]
    assert scenes[0].lon is None  # its metadata do not match its own GeoTIFFs
    assert scenes[0].transform is None


def test_the_upper_left_of_the_metadata_is_the_bottom_edge(tmp_path: Path) -> None:
    high_resolution(tmp_path)
    scenes, _ = read(tmp_path, **options("rsvqa_hr"))
    assert [s.split for s in scenes] == ["train", "train", "train", "val", "test", "test"]
    first = scenes[0]
    assert first.transform is not None
    pixel, _, left, _, down, top = first.transform
    assert (left, down) == (LEFT, -pixel)
    assert top + 64 * down == pytest.approx(BOTTOM)
    assert first.lat is not None
    assert first.lon is not None
    assert pixel * math.cos(math.radians(first.lat)) == pytest.approx(0.1524, rel=1e-7)
    assert first.gsd == 0.1524
    assert len(first.footprint) == 8
    south, north = min(first.footprint[1::2]), max(first.footprint[1::2])
    assert south < first.lat < north
    count = next(q for q in first.questions if q.kind == "count")
    assert count.choices == tuple(map(str, range(90)))
    assert {q.answers[0] for q in first.questions if q.kind == "area"} == {
        "0m2",
        "between 100m2 and 1000m2",
        "more than 1000m2",
    }


def test_real_metadata_agree_with_the_geotiff_of_the_same_image(real_data: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    root = real_data / "open" / "rsvqa_hr"
    scenes, rejects = read(root, **options("rsvqa_hr"))
    assert not rejects
    assert len(scenes) == 24
    assert sum(len(s.questions) for s in scenes) == 2401
    scene = next(s for s in scenes if s.path == "Images/13.png")  # the site's number of the official 33.tif
    with rasterio.open(root / "official_georef_tif" / "33.tif") as tif:
        assert scene.transform == pytest.approx(tuple(tif.transform)[:6], abs=0.05)
        assert scene.crs == str(tif.crs)


def test_real_low_resolution_questions_fit_the_stated_answers(real_data: Path) -> None:
    scenes, rejects = read(real_data / "open" / "rsvqa_lr", **options("rsvqa_lr"))
    assert not rejects
    questions = [q for s in scenes for q in s.questions]
    assert len(questions) == 2403
    assert all(set(q.answers) <= set(q.choices) for q in questions)
    assert {q.kind for q in questions} == {"rural_urban", "presence", "count", "comp"}


@pytest.mark.parametrize(
    ("what", "change", "code"),
    [
        ("questions", lambda r: r[0].update(question=7), "bad_annotation"),
        ("questions", lambda r: r[0].update(answers_ids="0"), "bad_annotation"),
        ("questions", lambda r: r[0].update(answers_ids=[999]), "bad_annotation"),
        ("questions", lambda r: r[0].update(img_id=4), "bad_annotation"),  # an image of another split
        ("questions", lambda r: r[0].pop("type"), "bad_annotation"),
        ("questions", lambda r: r.append("text"), "bad_annotation"),
        ("images", lambda r: r[0].update(id="../0"), "bad_annotation"),
        ("images", lambda r: r[4].update(active=True), None),
        ("answers", lambda r: r[0].update(answer=None), "bad_annotation"),
    ],
)
def test_a_broken_record_is_refused_and_the_others_are_read(
    what: str, change: Any, code: str | None, tmp_path: Path
) -> None:
    low_resolution(tmp_path)
    rewrite(tmp_path / f"LR_split_train_{what}.json", change)
    scenes, rejects = read(tmp_path)
    assert len(scenes) >= 5
    assert rejects
    assert {r.code for r in rejects} == {code or "bad_annotation"}
    assert all(r.level == "text" for r in rejects)


def test_splits_without_files_are_left_out_and_another_layout_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \*_split_\{split\}_questions\.json in it. Found: nothing"):
        read(tmp_path)
    low_resolution(tmp_path)
    for file in tmp_path.glob("LR_split_val_*"):
        file.unlink()
    assert {s.split for s in read(tmp_path)[0]} == {"train", "test"}
    (tmp_path / "LR_split_test_answers.json").unlink()
    with pytest.raises(UserError, match="each split has three files"):
        read(tmp_path)
    (tmp_path / "LR_split_test_answers.json").write_text("[1, 2]")
    with pytest.raises(UserError, match='no list "answers"'):
        read(tmp_path)
    (tmp_path / "LR_split_test_answers.json").write_text('{"answers": [')
    with pytest.raises(UserError, match="no readable JSON"):
        read(tmp_path)


def test_two_question_files_of_a_split_are_the_users_to_choose(tmp_path: Path) -> None:
    low_resolution(tmp_path)
    (tmp_path / "XX_split_train_questions.json").write_text("{}")
    with pytest.raises(UserError, match=r"several question files of split train"):
        read(tmp_path)
    assert len(read(tmp_path, questions="LR_split_{split}_questions.json")[0]) == 6


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("0", "0"), ("1", "between 0 and 10"), ("10", "between 0 and 10"), ("11", "between 10 and 100"),
     ("100", "between 10 and 100"), ("1000", "between 100 and 1000"), ("1001", "more than 1000"), ("yes", "yes")],
)  # fmt: skip
def test_ranges_hold_their_upper_limit(answer: str, expected: str) -> None:
    assert as_range(answer, "") == expected
    told = as_range(f"{answer}m2", "m2") if answer != "yes" else "yes"
    assert told in (*range_names("m2"), "yes")


@given(st.text(max_size=12), st.sampled_from(["", "m2"]))
def test_whatever_is_no_number_passes(answer: str, unit: str) -> None:
    told = as_range(answer, unit)
    assert told == answer or told in range_names(unit)


def test_spans_are_spelled_out() -> None:
    assert stated({"count": ("many", "0..3")}, {"area": "m2"}) == {
        "count": ("many", "0", "1", "2", "3"),
        "area": range_names("m2"),
    }
    with pytest.raises(UserError, match=r"'5\.\.2' is no span"):
        stated({"count": ("5..2",)}, {})
