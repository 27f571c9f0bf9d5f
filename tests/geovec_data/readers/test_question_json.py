from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from geovec_data.errors import UserError
from geovec_data.recipe.files import load_recipe
from tests.fixtures import corpora, reading

read = partial(reading.read, "question_json")
OPTIONS = load_recipe("floodnet_vqa").reader.options


def test_questions_become_scenes_with_the_stated_answers_of_their_type(tmp_path: Path) -> None:
    corpora.write("floodnet_vqa", tmp_path)
    scenes, rejects = read(tmp_path, **OPTIONS)
    assert [(s.path, s.split, len(s.questions)) for s in scenes] == [
        ("Images/Train_Image/10165.JPG", "train", 1),
        ("Images/Train_Image/10168.JPG", "train", 3),
        ("Images/Train_Image/10170.JPG", "train", 3),
    ]
    by_kind = {q.kind: q for q in (*scenes[1].questions, *scenes[2].questions)}
    assert set(by_kind) == {"condition recognition", "complex counting", "simple counting", "yes no"}
    assert by_kind["yes no"].answers == ("yes",)
    assert by_kind["yes no"].choices == ("yes", "no")
    assert by_kind["simple counting"].answers == ("3",)
    assert by_kind["simple counting"].choices[-1] == "50"
    assert [(r.path, r.detail) for r in rejects] == [
        (f"Questions/{name}.json#0", "record 0: it has no Ground_Truth") for name in ("Valid Question", "Test_Question")
    ]


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        ("text", "no object but str"),
        ({"Question": "A?", "Question_Type": "Yes_No", "Ground_Truth": "Yes"}, "no Image_ID"),
        ({"Image_ID": "1.JPG", "Question": "", "Question_Type": "Yes_No", "Ground_Truth": "Yes"}, "no Question"),
        ({"Image_ID": "1.JPG", "Question": "A?", "Question_Type": 3, "Ground_Truth": "Yes"}, "no Question_Type"),
        ({"Image_ID": "1.JPG", "Question": "A?", "Question_Type": "Yes_No", "Ground_Truth": True}, "no Ground_Truth"),
        ({"Image_ID": "../1.JPG", "Question": "A?", "Question_Type": "Yes_No", "Ground_Truth": "No"}, "leads out"),
    ],
)
def test_a_broken_record_is_refused(record: Any, detail: str, tmp_path: Path) -> None:
    corpora.write("floodnet_vqa", tmp_path)
    (tmp_path / "Questions" / "Valid Question.json").write_text(json.dumps({"7": record}))
    scenes, rejects = read(tmp_path, **OPTIONS)
    assert len(scenes) == 3
    assert detail in rejects[0].detail
    assert rejects[0].code == "bad_annotation"


def test_another_layout_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Questions/Train\*\.json or Questions/Val\*\.json"):
        read(tmp_path)
    corpora.write("floodnet_vqa", tmp_path)
    (tmp_path / "Questions" / "Train again.json").write_text("{}")
    with pytest.raises(UserError, match="several question files of split train"):
        read(tmp_path)
    (tmp_path / "Questions" / "Train again.json").unlink()
    (tmp_path / "Questions" / "Test_Question.json").write_text("[]")
    with pytest.raises(UserError, match="no object of numbered questions"):
        read(tmp_path)
    (tmp_path / "Questions" / "Test_Question.json").write_text("{")
    with pytest.raises(UserError, match="no readable JSON"):
        read(tmp_path)
