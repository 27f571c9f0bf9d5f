from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from geovec_data.errors import UserError
from geovec_data.osm.labels.feature import Feature, Tally
from geovec_data.osm.labels.label_files import features
from tests.fixtures.osm import lonlat, rect

HOUSE = shapely.Polygon([lonlat(*p) for p in rect(0, 0, 20, 10)])
POINT = shapely.Point(*lonlat(5, 5))
GEO: dict[str, Any] = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": []}},
}


def write(path: Path, columns: dict[str, Any], geo: dict[str, Any] | None = GEO) -> Path:
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(geo and {"geo": json.dumps(geo)}), path)
    return path


def read(path: Path) -> tuple[list[Feature], Tally]:
    tally = Tally()
    return list(features(path, tally)), tally


def with_crs(crs: Any) -> dict[str, Any]:
    return GEO | {"columns": {"geometry": GEO["columns"]["geometry"] | {"crs": crs}}}


def test_quackosm_with_a_map_of_tags(tmp_path: Path) -> None:
    columns = {
        "feature_id": ["way/7", "node/8"],
        "tags": pa.array([[("building", "yes")], [("amenity", "cafe")]], pa.map_(pa.string(), pa.string())),
        "geometry": [HOUSE.wkb, POINT.wkb],
    }
    (house,), tally = read(write(tmp_path / "a.parquet", columns))
    assert (house.osm_type, house.osm_id, house.tags) == ("way", 7, {"building": "yes"})
    assert house.geometry.equals(HOUSE)
    assert tally.not_areas == 1


def test_quackosm_with_a_column_for_each_tag(tmp_path: Path) -> None:
    columns = {"feature_id": ["relation/7"], "building": ["house"], "landuse": [None], "geometry": [HOUSE.wkb]}
    (house,), _ = read(write(tmp_path / "a.geoparquet", columns))
    assert (house.osm_type, house.osm_id, house.tags) == ("relation", 7, {"building": "house"})


def overture(record: str | None, **more: Any) -> dict[str, Any]:
    return {
        "id": ["08b2a100"],
        "geometry": [HOUSE.wkb],
        "bbox": [{"xmin": 0.0, "xmax": 1.0, "ymin": 0.0, "ymax": 1.0}],
        "version": pa.array([2], pa.int32()),
        "sources": [[{"property": "", "dataset": "OpenStreetMap" if record else "Microsoft", "record_id": record}]],
        "names": [{"primary": "Ghar"}],
        "class": ["house"],
        **more,
    }


def test_overture_buildings(tmp_path: Path) -> None:
    file = write(tmp_path / "b.parquet", overture("w123@4", is_underground=[False]))
    (house,), _ = read(file)
    assert (house.osm_type, house.osm_id, house.version) == ("way", 123, 4)
    assert house.tags == {"building": "house", "name": "Ghar"}


def test_overture_buildings_from_elsewhere_have_no_osm_identity(tmp_path: Path) -> None:
    (house,), _ = read(write(tmp_path / "b.parquet", overture(None, is_underground=[True])))
    assert (house.osm_type, house.osm_id, house.version) == (None, None, 0)
    assert house.tags["location"] == "underground"


def test_overture_base_keeps_the_tags_of_osm(tmp_path: Path) -> None:
    tags = pa.array([[("leisure", "pitch"), ("sport", "tennis")]], pa.map_(pa.string(), pa.string()))
    (pitch,), _ = read(write(tmp_path / "b.parquet", overture("r9@1", source_tags=tags)))
    assert (pitch.osm_type, pitch.tags) == ("relation", {"leisure": "pitch", "sport": "tennis", "name": "Ghar"})


def test_another_crs_is_obeyed(tmp_path: Path) -> None:
    from pyproj import CRS, Transformer

    to_web = Transformer.from_crs("OGC:CRS84", "EPSG:3857", always_xy=True)
    moved = shapely.Polygon([to_web.transform(*p) for p in HOUSE.exterior.coords])
    crs = CRS.from_epsg(3857).to_json_dict()
    (house,), _ = read(write(tmp_path / "a.parquet", {"geometry": [moved.wkb]}, with_crs(crs)))
    assert house.bounds == pytest.approx(HOUSE.bounds, abs=1e-9)


@pytest.mark.parametrize(
    ("geo", "says"),
    [
        (None, "names no geometry column"),
        (GEO | {"primary_column": "shape"}, "names no geometry column"),
        (with_crs(None), "does not say its CRS"),
        (GEO | {"columns": {"geometry": {"encoding": "point"}}}, "encoding 'point'"),
    ],
)
def test_what_is_missing_is_said(geo: dict[str, Any] | None, says: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", {"geometry": [HOUSE.wkb]}, geo)
    with pytest.raises(UserError, match=says):
        read(file)


def test_a_damaged_file_is_the_users_to_mend(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(b"PAR1 but no more")
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        read(file)
