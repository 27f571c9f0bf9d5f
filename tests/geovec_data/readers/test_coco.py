"""COCO's form and RefCOCO's, which builds on it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from geovec_data.build.checks import CheckOptions, check
from geovec_data.errors import UserError
from tests.fixtures import corpora
from tests.fixtures.objects import objects
from tests.fixtures.reading import make, read

CATEGORIES = [
    {"id": 1, "name": "small-vehicle", "supercategory": "vehicle"},
    {"id": 7, "name": "ship", "supercategory": "none"},
]


def corpus(root: Path, annotations: list[Any], *, file: str = "instances_val.json", **more: Any) -> None:
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "images").mkdir(exist_ok=True)
    Image.new("RGB", (40, 30)).save(root / "images" / "1.jpg")
    images = [{"id": 5, "file_name": "1.jpg", "width": 40, "height": 30}]
    tree = {"images": images, "annotations": annotations, "categories": CATEGORIES, **more}
    (root / "annotations" / file).write_text(json.dumps(tree))


def test_boxes_rings_masks_and_crowds(tmp_path: Path) -> None:
    corpus(
        tmp_path,
        [
            {"image_id": 5, "category_id": 1, "bbox": [1.5, 2, 10, 4], "segmentation": [[1, 2, 11, 2, 11, 6, 1, 6]]},
            {"image_id": 5, "category_id": 7, "bbox": [0, 0, 3, 3], "iscrowd": 1},
            {"image_id": 5, "category_id": 7, "segmentation": {"size": [30, 40], "counts": [31, 2, 1167]}},
        ],
    )
    (scene,), rejects = read("coco_json", tmp_path)
    assert not rejects
    assert (scene.path, scene.width, scene.height, scene.split) == ("images/1.jpg", 40, 30, "val")
    vehicle, crowd, masked = scene.regions
    assert (vehicle.category, vehicle.ancestors) == ("small vehicle", ("vehicle",))
    assert vehicle.box == (1.5, 2, 11.5, 6)
    assert len(vehicle.polygon) == 8
    assert (crowd.ancestors, crowd.attributes, crowd.polygon) == ((), (("crowd", "yes"),), ())
    assert masked.box == (1, 1, 2, 3)


@pytest.mark.parametrize(
    "annotation",
    [
        {"image_id": 5, "category_id": 9, "bbox": [0, 0, 3, 3]},
        {"image_id": 5, "category_id": 1, "bbox": [0, 0, 3]},
        {"image_id": 5, "category_id": 1, "bbox": ["0", "0", "3", "3"]},
        {"image_id": 5, "category_id": 1},
        {"image_id": 5, "category_id": 1, "segmentation": [[1, 2]]},
    ],
)
def test_a_bad_annotation_loses_itself_only(annotation: dict[str, Any], tmp_path: Path) -> None:
    corpus(tmp_path, [annotation, {"image_id": 5, "category_id": 1, "bbox": [0, 0, 3, 3]}])
    (scene,), (reject,) = read("coco_json", tmp_path)
    assert len(scene.regions) == 1
    assert (reject.level, reject.code) == ("region", "bad_annotation")


def test_records_that_nothing_else_would_tell_of_are_rejected(tmp_path: Path) -> None:
    annotations: list[Any] = [{"image_id": 6, "category_id": 1, "bbox": [0, 0, 3, 3]}, {"bbox": []}, "x"]
    images = [{"id": 5, "file_name": "1.jpg"}, {"file_name": "2.jpg"}, 3, {"id": 8, "file_name": "../../1.jpg"}]
    corpus(tmp_path, annotations, images=images)
    corpus(tmp_path, [], file="train.json")
    scenes, rejects = read("coco_json", tmp_path)
    assert [s.path for s in scenes] == ["images/1.jpg", "../../1.jpg"]
    assert check(scenes[1], tmp_path, CheckOptions())[1][0].code == "unsafe_path"
    assert sorted((r.path, r.code) for r in rejects) == [
        ("images/1.jpg#5", "duplicate_key"),
        ("instances_val.json#1", "bad_annotation"),
        ("instances_val.json#2", "bad_annotation"),
        ("instances_val.json#annotation-1", "bad_annotation"),
        ("instances_val.json#annotation-2", "bad_annotation"),
        ("instances_val.json#image-6", "bad_annotation"),
    ]


def test_images_of_each_split_may_be_numbered_alike(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    for split, size in {"train": 40, "val": 20}.items():
        (tmp_path / split).mkdir()
        Image.new("RGB", (size, size)).save(tmp_path / split / "1.jpg")
        tree = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [], "categories": []}
        (tmp_path / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(tree))
    scenes, rejects = read("coco_json", tmp_path)
    assert not rejects
    assert [(s.path, s.split) for s in scenes] == [("train/1.jpg", "train"), ("val/1.jpg", "val")]
    tree["images"] = [{"id": 1, "file_name": "train/1.jpg"}]  # the record's own folder comes first
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(tree))
    assert read("coco_json", tmp_path)[1][0].code == "duplicate_key"


@pytest.mark.parametrize("text", ["", "[]", '{"images": {}}', "[" * 100_000])
def test_a_file_of_another_form_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json"):
        read("coco_json", tmp_path)


def test_no_file_is_another_layout(tmp_path: Path) -> None:
    for name in ("coco_json", "refcoco", "xview_geojson", "conversation_json"):
        with pytest.raises(UserError, match="not of the expected layout"):
            read(name, tmp_path)


def test_rrsis_d_gives_masks_as_boxes_and_expressions_by_split(tmp_path: Path) -> None:
    corpora.write("rrsis_d", tmp_path)
    scenes, rejects = read("refcoco", tmp_path, bbox="xyxy")
    assert [(r.level, r.path) for r in rejects] == [("region", "images/rrsisd/JPEGImages/03056.jpg")]
    assert len(scenes) == 10
    for number, scene in enumerate(scenes):
        drawn = objects(9, number, ("x",), count=2, size=96)[: 0 if number == 5 else 2 if number == 3 else 1]
        assert [r.box for r in scene.regions] == [t.box for t in drawn]
        assert all(len(r.polygon) == 8 and len(r.expressions) == 1 for r in scene.regions)
    assert [s.split for s in scenes] == ["train"] * 6 + ["val"] * 2 + ["test"] * 2


def test_a_pickle_that_holds_more_than_data_is_refused(tmp_path: Path) -> None:
    corpora.write("rrsis_d", tmp_path)
    (tmp_path / "rrsisd" / "refs(unc).p").write_bytes(pickle.dumps([Path("x")]))
    with pytest.raises(UserError, match=r"refs\(unc\)\.p cannot be read: .*reader\.refs"):
        read("refcoco", tmp_path)


def test_expressions_may_come_as_json_and_must_name_an_instance(tmp_path: Path) -> None:
    corpora.write("rrsis_d", tmp_path)
    pickled = tmp_path / "rrsisd" / "refs(unc).p"
    refs = pickle.loads(pickled.read_bytes())
    scenes, _ = read("refcoco", tmp_path)
    pickled.unlink()
    refs.append({"ann_id": 99, "sentences": [{"raw": "the lost one"}], "split": "train"})
    (tmp_path / "rrsisd" / "refs.json").write_text(json.dumps(refs))
    again, rejects = read("refcoco", tmp_path, refs="rrsisd/refs.json")
    assert again == scenes
    assert ("refs.json#99", "scene") in [(r.path, r.level) for r in rejects]
    (tmp_path / "rrsisd" / "refs.json").write_text('[{"sentences": []}]')
    with pytest.raises(UserError, match="record 0"):
        list(make("refcoco", tmp_path, refs="rrsisd/refs.json").entries())
