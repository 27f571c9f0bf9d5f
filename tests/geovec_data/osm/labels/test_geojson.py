from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geovec_data.errors import UserError
from geovec_data.osm.labels import geojson as osm_geojson
from geovec_data.osm.labels.feature import Tally
from geovec_data.osm.labels.geojson import read_geojson
from tests.fixtures.osm import geojson, lonlat, polygon, rect

ROWS: list[tuple[dict[str, Any], Any]] = [
    ({"building": "yes", "name": "भवन \\ \"ä\"", "osm_id": n}, rect(9 * n, 0, 9 * n + 5, 5)) for n in range(20)
]  # fmt: skip


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osm_geojson, "CHUNK", 7)


@settings(max_examples=30, deadline=None)
@given(chunk=st.integers(1, 400), indent=st.none() | st.integers(0, 2))
def test_any_chunk_gives_the_same_features(chunk: int, indent: int | None, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("a") / "a.geojson"
    rows = [{"type": "Feature", "properties": p, "geometry": polygon(r)} for p, r in ROWS]
    document = {"type": "FeatureCollection", "numbers": [1.5, -2e3], "features": rows, "bbox": [85, 27, 86, 28]}
    path.write_text(json.dumps(document, indent=indent, ensure_ascii=False), encoding="utf-8")
    expected = [(p["osm_id"], p["name"]) for p, _ in ROWS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(osm_geojson, "CHUNK", chunk)
        tally = Tally()
        assert [(f.osm_id, f.tags["name"]) for f in read_geojson(path, tally)] == expected
    assert tally.extent == (85, 27, 86, 28)  # although it stands after the features


@pytest.mark.usefixtures("small_chunks")
def test_a_crs_after_the_features_is_obeyed(tmp_path: Path) -> None:
    from pyproj import Transformer

    ring = [(10, 10), (30, 10), (30, 30), (10, 10)]
    utm = Transformer.from_crs("EPSG:4326", "EPSG:32645", always_xy=True)
    shape = {"type": "Polygon", "coordinates": [[list(utm.transform(*lonlat(*p))) for p in ring]]}
    rows = [{"type": "Feature", "properties": {"crs": "no crs"}, "geometry": shape}]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32645"}}
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": rows, "crs": crs}))
    (feature,) = read_geojson(path, Tally())
    assert feature.bounds == pytest.approx((*lonlat(10, 30), *lonlat(30, 10)), abs=1e-8)


def test_a_byte_order_mark_and_an_empty_collection_are_read(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", [])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n\n")
    assert list(read_geojson(path, Tally())) == []


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "Expecting value at character 0"),
        (b"[1, 2]", "not a GeoJSON FeatureCollection"),
        (b'{"type": "FeatureCollection", "features": {}}', "not a GeoJSON FeatureCollection"),
        (b'{"features": [{"a": 1} {"b": 2}]}', "Expecting ',' or ']' at character 23"),
        (b'{"features": [{"a": 1}, {"b": 2}', "the file ends"),
        (b'{"features": [{"a": 1}, {"b"', "Expecting ':' delimiter"),
        (b'{"features": [{"a" 1, "long": "' + b"x" * 300 + b'"}]}', "Expecting ':' delimiter at character 19"),
        (b'{"features": []} {"features": []}', "Extra data at character 17"),
        (b'{"features": [{"a": "\xff"}]}', "can't decode byte 0xff"),
        (b'{"features": [' + b"[" * 100_000, "recursion"),
    ],
)  # fmt: skip
def test_what_is_no_collection_is_told_with_its_place(content: bytes, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(read_geojson(path, Tally()))
    assert fault in str(caught.value)
    assert str(path) in str(caught.value)


def test_records_that_are_no_features_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text('{"features": [5, null, {"properties": [1]}, {"geometry": "here"}]}')
    tally = Tally()
    assert list(read_geojson(path, tally)) == []
    assert tally.not_areas == 4


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(count: int) -> tuple[int, int]:
        path = geojson(tmp_path / f"{count}.geojson", ROWS[:1] * count)
        tracemalloc.start()
        found = sum(1 for _ in read_geojson(path, Tally()))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == count
        return used, path.stat().st_size

    peak(10)  # what is loaded once
    few, _ = peak(1000)
    many, size = peak(8000)
    assert size > 2 * many
    assert many < few + 2**20
