from __future__ import annotations

import json
import tempfile
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.build.checks import CheckOptions, check
from geovec_data.countries import COUNTRIES
from geovec_data.errors import UserError
from geovec_data.readers._wkt import centre_of, crosses_antimeridian, ring_of
from tests.fixtures import reading
from tests.fixtures.class_folders import write_classes
from tests.fixtures.corpora import fmow

read = partial(reading.read, "fmow")
KEYS = ("bounding_boxes", "box", "category", "raw_location", "img_width", "gsd", "timestamp", "country_code", "ID")
AIRPORT = "train/airport/airport_0/airport_0_1_rgb.jpg"


def one(root: Path, record: Any) -> tuple[list[Any], list[Any]]:
    """Read a corpus of one image with this JSON file."""
    write_classes(root, {"val/dam/dam_0": ["dam_0_0_rgb.jpg"]})
    text = record if isinstance(record, str) else json.dumps(record)
    (root / "val/dam/dam_0/dam_0_0_rgb.json").write_text(text)
    return read(root)


def record(**facts: Any) -> dict[str, Any]:
    return {
        "img_width": 64,
        "img_height": 64,
        "bounding_boxes": [{"ID": 0, "category": "dam", "box": [1, 2, 3, 4]}],
    } | facts


def test_the_ground_truth_places_every_image(tmp_path: Path) -> None:
    fmow.write(tmp_path)
    scenes, rejects = read(tmp_path)
    assert Counter(s.split for s in scenes) == {"train": 7, "val": 3, "test": 3}
    assert [(r.code, r.path) for r in rejects] == [
        ("bad_annotation", "train/crop_field/crop_field_12/crop_field_12_9_rgb.jpg")
    ]
    airport = next(s for s in scenes if s.path == AIRPORT)
    assert airport.scene_class == "airport"
    assert [r.box for r in airport.regions] == [(20, 10, 60, 60)]
    assert (airport.regions[0].lon, airport.regions[0].lat) == (-77.46, 38.94)
    assert (airport.lon, airport.lat, airport.gsd) == (-77.46, 38.94, 0.6)
    assert airport.footprint == (-77.461, 38.941, -77.459, 38.941, -77.459, 38.939, -77.461, 38.939)
    assert airport.captured == "2016-06-13T10:10:31Z"
    assert airport.places == (("country", "United States"),)
    assert all(check(s, tmp_path, CheckOptions())[0] for s in scenes)
    assert {s.scene_class for s in scenes} == {"airport", "crop field", "single-unit residential", "dam"}


def test_images_of_one_place_have_one_origin_and_those_of_two_sets_do_not(tmp_path: Path) -> None:
    fmow.write(tmp_path)
    scenes, _ = read(tmp_path)
    assert len({s.origin for s in scenes}) == len(fmow.PLACES)
    assert {s.origin for s in scenes if "/airport_0/" in s.path} == {"fmow/train/airport_0", "fmow/val/airport_0"}


def test_withheld_names_are_found_by_the_mapping(tmp_path: Path) -> None:
    fmow.write(tmp_path)
    scenes, _ = read(tmp_path, splits={"test": "test", "seq": "test"})
    assert [(s.path, s.scene_class, s.origin) for s in scenes] == [
        ("test/0000123/0000123_0_rgb.jpg", "airport", "fmow/test/airport_0"),
        ("test/0000123/0000123_1_rgb.jpg", "airport", "fmow/test/airport_0"),
        ("seq/0000456/0000456_0_rgb.jpg", "dam", "fmow/seq/dam_0"),
    ]


def test_without_the_ground_truth_there_are_boxes_but_no_positions(tmp_path: Path) -> None:
    fmow.write(tmp_path)
    for part in ("train", "val", "test", "seq"):
        (tmp_path / f"{part}_gt").rename(tmp_path / f"away_{part}")
    scenes, rejects = read(tmp_path)
    assert Counter(s.split for s in scenes) == {"train": 7, "val": 3}
    assert {(r.code, r.path.partition("/")[0]) for r in rejects} == {("no_label", "test"), ("no_label", "seq")}
    assert {s.lon for s in scenes} == {None}
    assert {r.box for s in scenes for r in s.regions} == {(20, 10, 60, 60)}
    (tmp_path / "groundtruth").mkdir()
    (tmp_path / "away_train").rename(tmp_path / "groundtruth" / "train")
    (tmp_path / "away_val").rename(tmp_path / "groundtruth" / "val_gt")
    scenes, _ = read(tmp_path, splits={"train": "train", "val": "val"})
    assert None not in {s.lon for s in scenes}


def test_the_multispectral_images_are_a_variant(tmp_path: Path) -> None:
    fmow.write(tmp_path)
    scenes, _ = read(tmp_path, variant="msrgb")
    assert len(scenes) == len(fmow.PLACES)
    assert {(s.width, s.height) for s in scenes} == {(24, 20)}


def test_a_place_on_the_antimeridian_has_a_centre_and_no_footprint(tmp_path: Path) -> None:
    fmow.write(tmp_path)
    scene = next(s for s in read(tmp_path)[0] if "residential" in s.path)
    assert (scene.lon, scene.lat, scene.footprint) == (179.9995, -16.5, ())


def test_boxes_of_no_object_are_none_and_several_categories_are_labels(tmp_path: Path) -> None:
    boxes = [
        {"ID": -1, "box": [0, 0, 64, 64]},
        {"ID": 0, "category": "dam", "box": [1, 2, 3, 4]},
        {"ID": 1, "category": "false_detection", "box": [1, 2, 3, 4]},
        {"ID": 2, "category": "lake_or_pond", "box": [0, 0, 30, 40]},
    ]
    (scene,), rejects = one(tmp_path, record(bounding_boxes=boxes))
    assert not rejects
    assert (scene.scene_class, scene.labels) == (None, ("dam", "lake or pond"))
    assert [r.box for r in scene.regions] == [(1, 2, 4, 6), (0, 0, 30, 40)]
    (scene,), _ = one(tmp_path, record(bounding_boxes=[{"category": "dam", "box": [0, 0, 64, 64]}]))
    assert [r.box for r in scene.regions] == [(0, 0, 64, 64)]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "[1]",
        "[" * 100_000,
        record(bounding_boxes=None),
        record(img_width="64"),
        record(img_height=0),
    ],
)
def test_a_malformed_file_is_one_reject(bad: Any, tmp_path: Path) -> None:
    scenes, rejects = one(tmp_path, bad)
    assert not scenes
    assert [(r.code, r.level) for r in rejects] == [("bad_annotation", "scene")]


@pytest.mark.parametrize(
    "box",
    [
        7,
        {"category": 7, "box": [1, 2, 3, 4]},
        {"category": " ", "box": [1, 2, 3, 4]},
        {"category": "dam"},
        {"category": "dam", "box": [1, 2, 3]},
        {"category": "dam", "box": [1, 2, 3, "4"]},
        {"category": "dam", "box": [1, 2, 3, 10**400]},
        {"category": "dam", "box": [1, 2, 3, 4], "raw_location": "POINT (1 2)"},
    ],
)
def test_a_malformed_box_is_a_reject_of_its_own(box: Any, tmp_path: Path) -> None:
    (scene,), rejects = one(tmp_path, record(bounding_boxes=[box, {"category": "port", "box": [1, 2, 3, 4]}]))
    assert scene.scene_class == "port"
    assert [(r.code, r.level) for r in rejects] == [("bad_annotation", "region")]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"bounding_boxes": []}, "no_label"),
        ({"raw_location": "POLYGON ((1 2, 3 4))"}, "bad_coordinate"),
        ({"raw_location": "POLYGON ((1 2, 3 4, 500 6))"}, "bad_coordinate"),
        ({"gsd": 10**400}, "bad_coordinate"),
    ],
)
def test_an_image_without_label_or_with_a_wrong_place_is_refused(facts: Any, code: str, tmp_path: Path) -> None:
    scenes, rejects = one(tmp_path, record(**facts))
    assert not scenes
    assert [r.code for r in rejects] == [code]


def test_facts_that_are_no_facts_are_left_out(tmp_path: Path) -> None:
    (scene,), _ = one(tmp_path, record(gsd=-1, timestamp="yesterday", country_code=[], raw_location=5))
    assert (scene.gsd, scene.captured, scene.places, scene.lon) == (None, None, (), None)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just("POLYGON ((0 0, 1 1, 2 0))"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_is_scenes_and_rejects(tree: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "val" / "dam" / "dam_0" / "dam_0_0_rgb.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(record() | tree))
        scenes, rejects = read(Path(folder))
    assert len(scenes) + sum(r.level == "scene" for r in rejects) == 1


def test_other_layouts_and_broken_mappings_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \*_rgb\.json below train/, val/, test/, seq/"):
        read(tmp_path)
    fmow.write(tmp_path)
    mapping = tmp_path / "test_gt_mapping.json"
    mapping.write_text('[{"input": "test_gt/airport/airport_0", "output": "../secret"}]')
    with pytest.raises(UserError, match=r"test_gt_mapping\.json: '\.\./secret' leads out"):
        read(tmp_path)
    for text in ("{", "[1]", '[{"input": "a"}]'):
        mapping.write_text(text)
        with pytest.raises(UserError, match=r"test_gt_mapping\.json is no list of"):
            read(tmp_path)


def test_two_places_mapped_to_one_folder_are_told(tmp_path: Path) -> None:
    fmow.write(tmp_path)
    (tmp_path / "test_gt" / "dam" / "dam_9").mkdir(parents=True)
    (tmp_path / "test_gt/dam/dam_9/dam_9_0_rgb.json").write_text(json.dumps(record()))
    rows = [{"input": f"test_gt/{p}", "output": "test/0000123"} for p in ("airport/airport_0", "dam/dam_9")]
    (tmp_path / "test_gt_mapping.json").write_text(json.dumps(rows))
    _, rejects = read(tmp_path, splits={"test": "test"})
    assert [(r.code, r.path) for r in rejects] == [("duplicate_key", "test_gt/dam/dam_9/dam_9_0_rgb.json#again")]


@given(st.floats(-179, 179), st.floats(-89, 89), st.floats(1e-5, 0.5))
def test_a_square_in_well_known_text_has_its_centre(lon: float, lat: float, half: float) -> None:
    ring = ring_of(fmow.square(lon, lat, half))
    assert len(ring) == 8
    assert centre_of(ring) == pytest.approx((lon, lat), abs=2e-6)
    assert not crosses_antimeridian(ring)


@given(st.floats(-1, 1), st.floats(0.1, 0.5))
def test_a_square_over_the_antimeridian_has_its_centre(lon: float, half: float) -> None:
    middle = 180 - abs(lon) * half if lon < 0 else -180 + lon * half
    got, _ = centre_of(ring_of(fmow.square(middle, 10, half)))
    assert abs((got - middle + 180) % 360 - 180) < 2e-6


@given(st.text(max_size=60) | st.text("POLYGN( )0123.,-e", max_size=60))
def test_any_text_is_a_ring_or_an_error(text: str) -> None:
    with suppress(ValueError):
        assert len(ring_of(text)) >= 6


def test_every_country_has_one_name() -> None:
    assert len(COUNTRIES) == 249
    assert all(len(c) == 3 and c.isupper() for c in COUNTRIES)
    assert len(set(COUNTRIES.values())) == 249
