from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from geovec_data.errors import UserError
from tests.fixtures import corpora, reading

read = partial(reading.read, "patterncom")


def test_rows_become_attributes_of_the_image(tmp_path: Path) -> None:
    corpora.write("patterncom", tmp_path)
    scenes, rejects = read(tmp_path)
    by_name = {Path(s.key).name: s for s in scenes}
    assert len(scenes) == 14
    assert by_name["tenniscourt002.jpg"].scene_class == "tennis court"
    assert by_name["tenniscourt002.jpg"].attributes == (("color", "gray"),)
    assert by_name["swimmingpool005.jpg"].attributes == ()
    assert sorted((r.code, r.path, r.level) for r in rejects) == [
        ("bad_annotation", "PatternCom/color.csv#4", "text"),
        ("missing_image", "PatternCom/color.csv#3", "text"),
    ]
    assert len(read(tmp_path, unlisted=False)[0]) == 12


def test_an_image_can_have_several_attributes_and_a_repeated_row_is_one(tmp_path: Path) -> None:
    corpora.write("patterncom", tmp_path)
    more = "swimmingpool001.jpg,Color,Light Blue\nswimmingpool001.jpg,color,light blue\n"
    (tmp_path / "PatternCom" / "color.csv").write_text("\ufeff" + more, encoding="utf-8")
    scene = next(s for s in read(tmp_path)[0] if s.key.endswith("swimmingpool001.jpg"))
    assert scene.attributes == (("color", "light blue"), ("shape", "oval"))


@pytest.mark.parametrize("row", ["../../secret.jpg,color,blue", ",color,blue", "tenniscourt001.jpg,,blue", "x"])
def test_a_row_that_says_nothing_or_leads_out_is_refused(row: str, tmp_path: Path) -> None:
    corpora.write("patterncom", tmp_path)
    (tmp_path / "PatternCom" / "color.csv").write_text(row + "\n")
    _, rejects = read(tmp_path)
    assert [r.code for r in rejects] == ["bad_annotation"]


def test_another_layout_is_told_with_what_was_expected(tmp_path: Path) -> None:
    corpora.write("patterncom", tmp_path)
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(UserError, match=r"no images/ in it\. Found: PatternCom/\. Expected:"):
        read(tmp_path)
    (tmp_path / "PatternCom" / "color.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"color\.csv is no readable CSV|no images/"):
        read(tmp_path)
