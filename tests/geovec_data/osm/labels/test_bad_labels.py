"""Bad labels, by the command that a user types: exit code 2, one message that names the file, nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import osmium
import pyarrow.parquet as pq
import pytest

from geovec_data.cli import main
from tests.fixtures.osm import (
    OsmWriter,
    geojson,
    geotiff,
    lonlat,
    pixels,
    png_with_world_file,
    polygon,
    rect,
    small_town,
)

HOUSE = {"building": "house", "osm_type": "way", "osm_id": 7}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path / "cache"))


def build(tmp_path: Path, labels: Path, *more: str) -> int:
    line = ["build", "recipe=osm", f"source.imagery={tmp_path / 'img'}", f"source.labels={labels}", "workers=1"]
    out = () if any(m.startswith("out=") for m in more) else (f"out={tmp_path / 'out'}",)
    return main([*line, "reader.crs=EPSG:3857", "checks.max_reject_fraction=1", *out, *more])


def corrupt_block(tmp_path: Path) -> Path:
    osm = OsmWriter(tmp_path / "corrupt.osm.pbf")
    for i in range(3000):
        osm.way(i + 1, rect(9 * (i % 60), 9 * (i // 60), 9 * (i % 60) + 5, 9 * (i // 60) + 5), {"building": "yes"})
    file = osm.write()
    data = bytearray(file.read_bytes())
    at = len(data) // 2
    data[at : at + 64] = bytes(64)
    file.write_bytes(bytes(data))
    return file


def header_only(tmp_path: Path) -> Path:
    file = tmp_path / "empty.osm.pbf"
    osmium.SimpleWriter(str(file), header=osmium.io.Header()).close()
    return file


def elsewhere(tmp_path: Path) -> Path:
    osm = OsmWriter(tmp_path / "elsewhere.osm.pbf", (90_000, 0, 91_000, 1000))
    osm.way(1, rect(90_100, 100, 90_110, 110), {"building": "yes"})
    return osm.write()


def no_crs(tmp_path: Path, kind: str) -> Path:
    import geopandas
    import shapely

    ring = [lonlat(*p) for p in rect(20, 20, 40, 30)]
    frame = geopandas.GeoDataFrame({"building": ["yes"]}, geometry=[shapely.Polygon(ring)])
    file = tmp_path / f"no_crs.{kind}"
    if kind == "gpkg":
        frame.to_file(file, layer="houses")
    else:
        frame.to_parquet(file)
    return file


def wrong_crs(tmp_path: Path) -> Path:
    shape = {"type": "Polygon", "coordinates": [[[9e6, 3e6], [9.1e6, 3e6], [9.1e6, 3.1e6], [9e6, 3e6]]]}
    return geojson(tmp_path / "metres.geojson", [(HOUSE, shape)])


def unknown_crs(tmp_path: Path) -> Path:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::1"}}
    return geojson(tmp_path / "odd.geojson", [(HOUSE, rect(0, 0, 9, 9))], crs=crs)


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (corrupt_block, "corrupt.osm.pbf cannot be read as OSM data"),
        (header_only, "empty.osm.pbf holds no area: it is empty, or has nothing of the kinds"),
        (elsewhere, "no image of source.imagery="),
        (lambda p: no_crs(p, "gpkg"), "no_crs.gpkg: layer 'houses' has no CRS"),
        (lambda p: no_crs(p, "parquet"), "no_crs.parquet does not say its CRS"),
        (wrong_crs, "metres.geojson feature 0: 9e+06, 3e+06 is no longitude, latitude"),
        (unknown_crs, "odd.geojson feature 0: the CRS 'urn:ogc:def:crs:EPSG::1' is not understood"),
        (lambda p: geojson(p / "bare.geojson", []), "bare.geojson holds no area"),
        (lambda p: p / "none.osm.pbf", "none.osm.pbf does not exist"),
    ],
)
def test_bad_labels_end_in_one_message(
    make: Callable[[Path], Path], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    png_with_world_file(tmp_path / "img")
    assert build(tmp_path, make(tmp_path)) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_labels_of_another_place_name_both_extents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    png_with_world_file(tmp_path / "img")
    assert build(tmp_path, elsewhere(tmp_path)) == 2
    err = capsys.readouterr().err
    for px, py in ((0, 200), (200, 0), (90_000, 1000), (91_000, 0)):
        lon, lat = lonlat(px, py)
        assert f"{lon:.4f},{lat:.4f}" in err


def test_labels_and_images_in_different_crs_meet(tmp_path: Path) -> None:
    """Images in Web Mercator and in UTM, labels in degrees and in another UTM zone: the same house, twice."""
    import numpy as np
    from pyproj import Transformer
    from rasterio.transform import Affine

    geotiff(tmp_path / "img" / "mercator.tif", np.moveaxis(pixels(), -1, 0))
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:32645", always_xy=True).transform(*lonlat(0, 0))
    other = np.moveaxis(pixels(seed=9), -1, 0)
    geotiff(tmp_path / "img" / "utm.tif", other, crs="EPSG:32645", transform=Affine(0.45, 0, x, 0, -0.45, y))
    utm = Transformer.from_crs("EPSG:4326", "EPSG:32644", always_xy=True)
    folder = tmp_path / "labels"
    box = [*lonlat(-50, 250), *lonlat(250, -50)]
    geojson(folder / "degrees.geojson", [(HOUSE, rect(20, 20, 60, 50))], bbox=box)
    ring = [list(utm.transform(*lonlat(*p))) for p in [*rect(120, 120, 160, 150), (120, 120)]]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32644"}}
    school = {"building": "school", "osm_type": "way", "osm_id": 8}
    geojson(folder / "utm44.geojson", [(school, {"type": "Polygon", "coordinates": [ring]})], crs=crs)
    options = (
        "reader.align=off",
        f"reader.extent={json.dumps(box).replace(' ', '')}",
        "split=image",
    )
    assert build(tmp_path, folder, *options) == 0
    rows = pq.read_table(tmp_path / "out" / "regions").to_pylist()
    found = sorted((r["osm_id"], r["category"]) for r in rows)
    assert found == [(7, "house")] * 2 + [(8, "school building")] * 2
    for osm_id, (lon, lat) in ((7, lonlat(40, 35)), (8, lonlat(140, 135))):
        for row in rows:
            if row["osm_id"] == osm_id:
                assert (row["lon"], row["lat"]) == pytest.approx((lon, lat), abs=3e-6)


def test_broken_rings_and_unknown_tags_are_counted_not_fatal(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    small_town(tmp_path / "labels" / "town.osm.pbf")
    odd: dict[str, Any] = polygon(rect(60, 100, 80, 120))
    geojson(tmp_path / "labels" / "odd.geojson", [({"leisure": "never seen", "osm_type": "way", "osm_id": 99}, odd)])
    assert build(tmp_path, tmp_path / "labels", "split=image") == 0
    rejects = pq.read_table(tmp_path / "out" / "rejects").to_pylist()
    told = {(r["code"], r["detail"].split(":")[0]) for r in rejects}
    assert {("broken_area", "way/5"), ("broken_area", "relation/11"), ("unknown_tag", "way/99")} <= told
    assert main(["verify", f"dataset={tmp_path / 'out'}"]) == 0


def test_an_image_says_when_its_map_is_of_unknown_date_or_which_the_user_names(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    labels = small_town(tmp_path / "town.osm.pbf")
    for option, date in (("reader.date=null", "unknown"), ("reader.date=2024-05-29", "2024-05-29")):
        assert build(tmp_path, labels, "split=image", option, f"out={tmp_path / date}") == 0
        (row,) = pq.read_table(tmp_path / date / "images").to_pylist()
        assert ("osm_date", date) in [tuple(p.values()) for p in row["attributes"]]
