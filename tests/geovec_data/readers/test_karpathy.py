from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from geovec_data.build.checks import CheckOptions, check
from geovec_data.errors import UserError
from geovec_data.readers import get_reader
from tests.fixtures import reading
from tests.fixtures.karpathy import write_rsicd

read = partial(reading.read, "karpathy")


def rewrite(root: Path, records: Any) -> None:
    (root / "dataset_rsicd.json").write_text(json.dumps(records))


@pytest.mark.parametrize("folder", ["RSICD_images", "imgs", "images"])
def test_a_record_becomes_a_scene(folder: str, tmp_path: Path) -> None:
    records = write_rsicd(tmp_path, folder=folder)
    scenes, rejects = read(tmp_path, class_from="filename", classes={"bareland": "bare land"})
    assert not rejects
    assert [s.path for s in scenes] == [f"{folder}/{r['filename']}" for r in records]
    assert [s.split for s in scenes] == [r["split"] for r in records]
    assert [s.scene_class for s in scenes[:5]] == ["airport", "bare land", "denseresidential", "pond", None]
    assert scenes[0].captions == tuple(s["raw"] for s in records[0]["sentences"])
    checked, lost = check(scenes[0], tmp_path, CheckOptions())
    assert checked is not None
    assert len(checked.captions) == 3
    assert [r.code for r in lost] == ["duplicate_text"] * 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pond_3.jpg", "pond"),
        ("00130.jpg", None),
        ("12_3.jpg", None),
        ("dense_trees_7.tif", "dense trees"),
        ("a.jpg", None),
    ],
)
def test_the_class_is_the_file_name_up_to_its_last_underscore(name: str, expected: str | None, tmp_path: Path) -> None:
    rewrite(tmp_path, {"images": [{"filename": name, "split": "restval", "sentences": [{"raw": "a"}]}]})
    (scene,), _ = read(tmp_path, class_from="filename")
    assert scene.scene_class == expected
    assert scene.split == "train"
    assert read(tmp_path)[0][0].scene_class is None


@pytest.mark.parametrize(
    "bad",
    [
        7,
        {},
        {"filename": ""},
        {"filename": "a.jpg"},
        {"filename": "a.jpg", "sentences": ["text"]},
        {"filename": "a.jpg", "sentences": [{"raw": None}]},
        {"filename": "a.jpg", "sentences": [], "split": "training"},
        {"filename": "a.jpg", "sentences": [], "split": ["train"]},
    ],
)
def test_a_malformed_record_is_one_reject(bad: Any, tmp_path: Path) -> None:
    good = write_rsicd(tmp_path, images=2)
    rewrite(tmp_path, {"images": [good[0], bad, good[1]]})
    scenes, rejects = read(tmp_path)
    assert len(scenes) == 2
    assert [(r.stage, r.code, r.path) for r in rejects] == [("read", "bad_annotation", "dataset_rsicd.json#1")]


def test_a_second_record_of_an_image_is_refused(tmp_path: Path) -> None:
    good = write_rsicd(tmp_path, images=2)
    rewrite(tmp_path, {"images": [*good, good[0]]})
    scenes, rejects = read(tmp_path)
    assert len(scenes) == 2
    assert [(r.code, r.path) for r in rejects] == [("duplicate_key", "RSICD_images/airport_0.jpg#2")]


@pytest.mark.parametrize("name", ["../secret.jpg", "..\\secret.jpg", "/etc/hosts"])
def test_a_file_name_cannot_lead_out_of_the_root(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_rsicd(root, images=1)
    (tmp_path / "secret.jpg").write_bytes((root / "RSICD_images" / "airport_0.jpg").read_bytes())
    rewrite(root, {"images": [{"filename": name, "sentences": [{"raw": "a"}]}]})
    kind = get_reader("karpathy")
    (entry,) = kind(root, kind.Options(), "c").entries()
    assert entry.files == ()
    (scene,), _ = read(root)
    out, rejects = check(scene, root, CheckOptions())
    assert out is None
    assert rejects[0].code == "unsafe_path"


def test_other_layouts_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no dataset\*\.json in it\. Found: nothing"):
        read(tmp_path)
    rewrite(tmp_path, [])
    with pytest.raises(UserError, match='no list "images"'):
        read(tmp_path)
    (tmp_path / "dataset_rsicd.json").write_text('{"images": [')
    with pytest.raises(UserError, match="no readable JSON"):
        read(tmp_path)
    rewrite(tmp_path, {"images": []})
    (tmp_path / "dataset_b.json").write_text("{}")
    with pytest.raises(UserError, match=r"several caption files.*dataset_b\.json.*reader\.json_file"):
        read(tmp_path)


def test_numbered_images_run_through_the_classes(tmp_path: Path) -> None:
    names = ["1.tif", "100.tif", "101.tif", "200.tif", "201.tif", "0.tif", "01a.tif"]
    rewrite(tmp_path, {"images": [{"filename": n, "sentences": []} for n in names]})
    scenes, _ = read(
        tmp_path,
        numbered=("agricultural", "baseballdiamond"),
        numbered_origin="ucmerced/{class}{index:02d}",
        classes={"baseballdiamond": "baseball diamond"},
    )
    assert [(s.scene_class, s.origin) for s in scenes] == [
        ("agricultural", "ucmerced/agricultural00"),
        ("agricultural", "ucmerced/agricultural99"),
        ("baseball diamond", "ucmerced/baseballdiamond00"),
        ("baseball diamond", "ucmerced/baseballdiamond99"),
        *[(None, "")] * 3,
    ]


def test_keywords_of_the_image_and_of_its_sentences_become_attributes(tmp_path: Path) -> None:
    sentences = [{"raw": "a", "keywords": ["Red roof", " "]}, {"raw": "b", "keyword": "plane"}, {"raw": "c"}]
    records = [
        {"filename": "a.tif", "sentences": sentences, "keywords": ["plane", 7]},
        {"filename": "b.tif", "sentences": [], "keywords": 7},
    ]
    rewrite(tmp_path, {"images": records})
    scenes, rejects = read(tmp_path)
    assert not rejects
    assert [s.attributes for s in scenes] == [(("keyword", "plane"), ("keyword", "red roof")), ()]


@pytest.mark.real
def test_rsicd_small(real_data: Path) -> None:
    root = real_data / "research_only" / "rsicd_small"
    scenes, rejects = read(root, class_from="filename")
    assert not rejects
    assert Counter(s.split for s in scenes) == {"train": 3000, "val": 400}
    assert all(len(s.captions) == 5 for s in scenes)
    assert len({s.scene_class for s in scenes} - {None}) == 30
    assert all((root / s.path).is_file() for s in scenes)


@pytest.mark.real
def test_sydney(real_data: Path) -> None:
    scenes, _ = read(real_data / "research_only" / "sydney_captions")
    assert [s.path for s in scenes] == ["imgs/1.tif", "imgs/2.tif", "imgs/3.tif"]
    assert all(check(s, real_data / "research_only" / "sydney_captions", CheckOptions())[0] for s in scenes)
