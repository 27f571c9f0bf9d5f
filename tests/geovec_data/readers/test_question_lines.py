from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.errors import UserError
from geovec_data.readers.question_lines import _LINE
from geovec_data.recipe.files import load_recipe
from tests.fixtures import corpora, reading

read = partial(reading.read, "question_lines")
OPTIONS = load_recipe("rsivqa").reader.options


def test_lines_of_all_files_about_one_image_are_one_scene(tmp_path: Path) -> None:
    corpora.write("rsivqa", tmp_path)
    scenes, rejects = read(tmp_path, **OPTIONS)
    by_key = {s.key: s for s in scenes}
    assert len(by_key) == 10
    assert [(r.path, r.code, r.level) for r in rejects] == [("AID/rsicd_vqa.txt#3", "bad_annotation", "text")]
    assert [(q.kind, q.text, q.answers) for q in by_key["UCM/images/1.tif"].questions] == [
        ("theme", "What is the theme of this picture?", ("farmland",)),
        ("presence", "Does this picture contain an airplane?", ("no",)),
        ("count", "How many trees in the picture?", ("1",)),
        ("location", "What is the location of the trees in this picture?", ("top left corner",)),
        ("theme", "what is the theme of this picture?", ("farmland",)),
    ]
    assert by_key["AID/images/bareland_7.jpg"].questions[0].answers == ("bare land",)
    assert by_key["DOTA/images/P0000.png"].questions[0].answers == ("21",)


def test_images_are_named_after_the_corpora_that_published_them(tmp_path: Path) -> None:
    corpora.write("rsivqa", tmp_path)
    origins = {s.key: s.origin for s in read(tmp_path, **OPTIONS)[0]}
    assert origins["UCM/images/1.tif"] == "ucmerced/agricultural00"
    assert origins["UCM/images/902.tif"] == "ucmerced/golfcourse01"
    assert origins["UCM/images/1001.tif"] == "ucmerced/harbor00"
    assert origins["Sydney/images/1.tif"] == "sydney/1"
    assert origins["AID/images/00433.jpg"] == "rsicd/00433"
    assert origins["DOTA/images/P0003.png"] == "dota/P0003"
    assert origins["HRRSD/images/00002"] == "hrrsd/00002"
    assert {s.origin for s in read(tmp_path)[0]} == {""}  # the recipe's `origins` decide


def test_a_number_beyond_the_numbered_classes_has_no_origin(tmp_path: Path) -> None:
    (tmp_path / "UCM").mkdir()
    (tmp_path / "UCM" / "a.txt").write_text("2101.tif:how many?1\nx.tif:how many?1\n0.tif:how many?1\n")
    assert {s.origin for s in read(tmp_path, **OPTIONS)[0]} == {""}


def test_an_image_beside_its_text_file_is_found_without_extension(tmp_path: Path) -> None:
    (tmp_path / "X").mkdir()
    (tmp_path / "X" / "a.txt").write_bytes("\ufeffP1 : is it there ? yes \r\n../../P2:is it?no\r\n".encode())
    (tmp_path / "X" / "P1.jpeg").write_bytes(b"")
    scenes, rejects = read(tmp_path)
    assert not rejects
    assert [s.key for s in scenes] == ["X/P1.jpeg", "X/P2"]
    assert [(q.text, q.answers, q.kind) for q in scenes[0].questions] == [("is it there ?", ("yes",), "presence")]


def test_another_layout_or_encoding_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \*/\*\.txt in it\. Found: nothing"):
        read(tmp_path)
    (tmp_path / "X").mkdir()
    (tmp_path / "X" / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"a\.txt is no readable text"):
        read(tmp_path)
    with pytest.raises(UserError, match="no regular expression"):
        from geovec_data.options import validate
        from geovec_data.readers import get_reader

        validate(get_reader("question_lines").Options, {"kinds": {"a": "("}}, "reader")


@given(st.text(max_size=40))
def test_no_line_hangs_the_pattern_or_gives_an_empty_part(line: str) -> None:
    if found := _LINE.fullmatch(line):
        assert all(part.strip() for part in found.groups())


def test_real_lines(real_data: Path) -> None:
    root = real_data / "research_only"
    tables = ("rsicd/*.txt", "ucm/*.txt", "sydney_captions/*.txt", "dota/*.txt")
    images = ("RSICD_images", "imgs", "images")
    scenes, rejects = read(root, **{**OPTIONS, "tables": tables, "images": images})
    assert not rejects
    assert sum(len(s.questions) for s in scenes) == 171
    assert all((root / s.path).is_file() for s in scenes)
    ship = next(
        q
        for s in scenes
        if "P0706" in s.key
        for q in s.questions
        if q.text == "how many ships are there in this picture?"
    )
    assert (ship.kind, ship.answers) == ("count", ("548",))
