"""What a user states of the map holds where the labels are, and for the key that he names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from geovec_data.compositions.mapped import STATED
from geovec_data.osm.questions import absent
from geovec_data.osm.survey import Survey
from geovec_data.readers.raster_osm import RasterOsm, RasterOsmOptions
from geovec_data.records import Scene
from tests.fixtures.dataset import build
from tests.fixtures.osm import geojson, lonlat, png_with_world_file, polygon, rect, small_town

HOUSE = ({"building": "house"}, polygon(rect(20, 20, 60, 60)))
POOL = ({"leisure": "swimming_pool"}, polygon(rect(100, 100, 130, 130)))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path / "cache"))


def stated(scene: Scene) -> list[str]:
    return [value for key, value in scene.attributes if key == STATED]


def read(imagery: Path, labels: Path, **options: Any) -> tuple[Scene, Survey]:
    reader = RasterOsm(imagery, RasterOsmOptions(labels=str(labels), crs="EPSG:3857", **options), "osm")
    (scene,) = [s for e in reader.entries() for s in reader.read(e) if isinstance(s, Scene)]
    assert isinstance(scene.survey, Survey)
    return scene, scene.survey


def test_a_stated_key_is_believed_and_kept_as_stated(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    labels = geojson(tmp_path / "a.geojson", [HOUSE, POOL], bbox=[*lonlat(-50, 250), *lonlat(250, -50)])
    scene, survey = read(tmp_path / "img", labels)
    assert (stated(scene), survey.count("house"), survey.count("building")) == ([], None, None)
    scene, survey = read(tmp_path / "img", labels, complete=("building",))
    assert (stated(scene), survey.count("house"), survey.count("building")) == (["building"], 1, 1)
    assert survey.count("swimming pool") is None, "nothing is stated of pools"
    assert "barn" not in survey.stated, "no image around shows one, so it is not worth denying"
    only_pool = geojson(tmp_path / "b.geojson", [POOL], bbox=[*lonlat(-50, 250), *lonlat(250, -50)])
    _, survey = read(tmp_path / "img", only_pool, complete=("building",))
    assert absent(survey) == {"building"}


def test_it_is_not_believed_where_the_image_reaches_over_the_labels_edge(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    labels = geojson(tmp_path / "a.geojson", [HOUSE], bbox=[*lonlat(-50, 250), *lonlat(150, -50)])
    scene, survey = read(tmp_path / "img", labels, complete=("building",), min_covered=0.7)
    assert stated(scene) == ["building"], "min_covered is how much an image must lie in the labels, for this too"
    open_ended = geojson(tmp_path / "b.geojson", [HOUSE, POOL], bbox=None)
    scene, survey = read(tmp_path / "img", open_ended, complete=("building",), min_covered_hull=0.1)
    assert (stated(scene), survey.count("building")) == ([], None), "the hull of two things is but a part of the image"


def test_a_building_whose_rings_are_broken_belies_the_statement(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    scene, survey = read(tmp_path / "img", small_town(tmp_path / "town.osm.pbf"), complete=("building", "highway"))
    assert stated(scene) == ["highway"]
    assert survey.count("building") is None


def test_the_dataset_says_that_it_is_stated_and_not_measured(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    labels = geojson(tmp_path / "a.geojson", [POOL], bbox=[*lonlat(-50, 250), *lonlat(250, -50)])
    source = [f"source.imagery={tmp_path / 'img'}", f"source.labels={labels}", "reader.crs=EPSG:3857"]
    dataset = build("recipe=osm", *source, "reader.complete=[building]", f"out={tmp_path / 'out'}", "workers=1")
    assert dataset.manifest.counts["stated_complete"] == {"building": 1}
    assert "every 'building' of 1 images is stated" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("options", "fault"),
    [({"complete": ("bilding",)}, "building"), ({"complete": ("building",), "keys": ("leisure",)}, "not among keys")],
)
def test_only_keys_that_are_read_can_be_stated(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        RasterOsmOptions(labels="a.geojson", **options)
