from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from geovec_data.build.checks import CheckOptions, check
from geovec_data.errors import UserError
from tests.fixtures import corpora
from tests.fixtures.objects import objects
from tests.fixtures.reading import make, read


def test_every_known_fault_of_the_label_file_is_a_reject_of_its_own(tmp_path: Path) -> None:
    corpora.write("xview", tmp_path)
    scenes, rejects = read("xview_geojson", tmp_path)
    assert [r.detail.partition(":")[0] for r in rejects] == ["object 6", "object 7", "object 8"]
    lost = Counter(r.code for s in scenes for r in check(s, tmp_path, CheckOptions())[1])
    assert lost == {"missing_image": 1, "inverted_box": 1, "outside_image": 1, "empty_box": 1}


def test_boxes_are_pixels_and_the_position_is_the_image_s(tmp_path: Path) -> None:
    corpora.write("xview", tmp_path)
    scenes, _ = read("xview_geojson", tmp_path, parents={"building": ["shed"]})
    assert [r.box for r in scenes[0].regions] == [t.box for t in objects(6, 0, ("x",), count=6, size=128)]
    assert scenes[0].crs == "EPSG:4326"
    assert scenes[0].lon == pytest.approx(100 + 64 * 3e-6)
    assert read("xview_geojson", tmp_path, georeference=False)[0][0].crs is None


def test_all_sixty_classes_have_a_name_that_reads(tmp_path: Path) -> None:
    classes = make("xview_geojson", tmp_path).options.classes
    assert len(classes) == len(set(classes.values())) == 60
    assert (classes[18], classes[94]) == ("small car", "tower")
    assert 75 not in classes
    assert 82 not in classes


@pytest.mark.parametrize("tree", [[], {"features": {}}, 3])
def test_another_json_is_told(tree: object, tmp_path: Path) -> None:
    (tmp_path / "xView_train.geojson").write_text(json.dumps(tree))
    with pytest.raises(UserError, match='no list "features"'):
        read("xview_geojson", tmp_path)


def test_features_without_an_image_are_rejected(tmp_path: Path) -> None:
    features = [3, {"properties": None}, {"properties": {"image_id": ""}}, {"properties": {"type_id": 73}}]
    (tmp_path / "xView_train.geojson").write_text(json.dumps({"features": features}))
    scenes, rejects = read("xview_geojson", tmp_path)
    assert not scenes
    assert [r.path for r in rejects] == [f"xView_train.geojson#{i}" for i in range(4)]
