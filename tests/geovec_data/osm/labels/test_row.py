from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geovec_data.osm.labels.feature import Tally
from geovec_data.osm.labels.label_files import features
from geovec_data.osm.tags import KEYS, Form, meaning_of
from tests.fixtures.osm import geojson, lonlat, polygon, rect

SQUARE = rect(10, 10, 30, 30)


@pytest.mark.parametrize(
    ("properties", "identity", "tags"),
    [
        ({"osm_type": "way", "osm_id": 7, "building": "yes", "n": 1, "name": None}, ("way", 7), {"building": "yes"}),
        ({"osm_type": "ways_poly", "osm_id": 7, "tags": {"building": "yes"}}, ("way", 7), {"building": "yes"}),
        ({"osm_id": 7}, (None, 7), {}),
        ({"osm_id": None}, (None, None), {}),
        ({"@id": "relation/7", "building": "yes"}, ("relation", 7), {"building": "yes"}),
        ({"element": "way", "id": 7, "building": "yes"}, ("way", 7), {"building": "yes"}),
        ({"osm_id": None, "osm_way_id": "7", "other_tags": '"building"=>"yes","name"=>"A \\"B\\""'}, ("way", 7),
         {"building": "yes", "name": 'A "B"'}),
        ({"osm_id": "7", "osm_way_id": None, "building": "yes"}, ("relation", 7), {"building": "yes"}),
        ({"osm_id": 7, "tags": '{"building": "yes"}'}, (None, 7), {"building": "yes"}),
    ],
)  # fmt: skip
def test_exporters_columns_give_identity_and_tags(
    properties: dict[str, Any], identity: tuple[str | None, int | None], tags: dict[str, str], tmp_path: Path
) -> None:
    file = geojson(tmp_path / "a.geojson", [(properties, SQUARE)])
    (feature,) = features(file, Tally())
    assert (feature.osm_type, feature.osm_id) == identity
    assert feature.tags == tags


def test_a_feature_id_is_an_identity_too(tmp_path: Path) -> None:
    row = {"type": "Feature", "id": "way/5", "properties": {"building": "yes"}, "geometry": polygon(SQUARE)}
    file = tmp_path / "a.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [row]}))
    (feature,) = features(file, Tally())
    assert (feature.osm_type, feature.osm_id) == ("way", 5)


def test_geojson_geometries_are_counted_mended_or_passed_over(tmp_path: Path) -> None:
    bow = [(0, 0), (10, 10), (10, 0), (0, 10)]
    hole = polygon(rect(0, 0, 40, 40), rect(10, 10, 20, 20))
    rows = [
        ({"building": "yes", "osm_type": "way", "osm_id": 1}, bow),
        ({"building": "yes", "osm_type": "way", "osm_id": 2}, hole),
        ({"building": "yes"}, {"type": "Point", "coordinates": [85.0, 27.0]}),
        ({"building": "yes"}, None),
        ({"building": "yes"}, {"type": "Polygon", "coordinates": "nonsense"}),
    ]
    tally = Tally()
    found = list(features(geojson(tmp_path / "a.geojson", rows, bbox=[85, 27, 86, 28]), tally))
    assert [f.osm_id for f in found] == [1, 2]
    assert all(f.geometry.is_valid for f in found)
    assert len(found[1].geometry.interiors) == 1
    assert (tally.repaired, tally.not_areas, tally.extent) == (1, 3, (85, 27, 86, 28))


def test_geopackage_and_projected_geojson_agree_with_plain_geojson(tmp_path: Path) -> None:
    import geopandas
    import shapely
    from pyproj import Transformer

    plain = geojson(tmp_path / "a.geojson", [({"osm_type": "way", "osm_id": 7, "building": "house"}, SQUARE)])
    (expected,) = features(plain, Tally())
    utm = Transformer.from_crs("EPSG:4326", "EPSG:32645", always_xy=True)
    ring = [list(utm.transform(*lonlat(*p))) for p in [*SQUARE, SQUARE[0]]]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32645"}}
    shape = {"type": "Polygon", "coordinates": [ring]}
    projected = geojson(
        tmp_path / "b.geojson", [({"osm_type": "way", "osm_id": 7, "building": "house"}, shape)], crs=crs
    )
    columns = {"osm_type": ["way"], "osm_id": [7], "building": ["house"], "height": [3.5], "name": [None]}
    frame = geopandas.GeoDataFrame(columns, geometry=[shapely.Polygon(ring)], crs="EPSG:32645")
    frame.to_file(tmp_path / "c.gpkg", layer="buildings")
    for file in (projected, tmp_path / "c.gpkg"):
        (feature,) = features(file, Tally())
        assert (feature.osm_type, feature.osm_id, feature.tags) == ("way", 7, {"building": "house"})
        assert shapely.hausdorff_distance(feature.geometry, expected.geometry) < 1e-9


def label_of(tags: dict[str, str], keys: tuple[str, ...], form: Form) -> tuple[str, ...] | None:
    meaning = meaning_of(tags, keys, form)
    return None if meaning is None else meaning.entry.label


@pytest.mark.parametrize(
    ("tags", "is_way", "label"),
    [
        ({"building": "yes"}, True, ("building",)),
        ({"building": "detached"}, True, ("house", "residential building", "building")),
        ({"building": "never seen"}, True, ("building",)),
        ({"building": "no", "leisure": "park"}, True, ("park",)),
        ({"building": "yes", "amenity": "school"}, True, ("school building", "building")),
        ({"amenity": "school"}, True, ("school grounds",)),
        ({"leisure": "pitch", "sport": "tennis;padel"}, True, ("tennis court", "sports pitch", "sports ground")),
        ({"natural": "water", "water": "pond"}, True, ("pond", "water body")),
        ({"highway": "pedestrian"}, True, None),
        ({"highway": "pedestrian"}, False, ("pedestrian area",)),
        ({"highway": "pedestrian", "area": "yes"}, True, ("pedestrian area",)),
        ({"highway": "residential"}, True, None),
        ({"natural": "cliff"}, True, None),
        ({"building": "yes", "layer": "-1"}, True, None),
        ({"building": "yes", "location": "underground"}, True, None),
        ({}, True, None),
    ],
)
def test_categories(tags: dict[str, str], is_way: bool, label: tuple[str, ...] | None) -> None:
    assert label_of(tags, KEYS, "ring" if is_way else "area") == label


def test_only_the_keys_asked_for_make_a_category() -> None:
    tags = {"building": "yes", "leisure": "stadium"}
    assert label_of(tags, ("leisure",), "ring") == ("stadium", "sports ground")
    assert label_of(tags, ("landuse",), "ring") is None
