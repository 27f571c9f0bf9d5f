"""Labels at 180 degrees: bounds whose west is greater than their east, rings that run on over it or jump at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import osmium
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from geovec_data.osm.labels.antimeridian import area_of, crosses, wrapped
from geovec_data.osm.labels.feature import Tally
from geovec_data.osm.labels.index import open_index
from geovec_data.osm.labels.label_files import features
from geovec_data.readers.raster_osm import RasterOsm, RasterOsmOptions
from geovec_data.records import Reject, Scene
from tests.fixtures.osm import geojson, geotiff

DEGREE = 1e-5  # a pixel
FIJI = [177, -18, -178, -16]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path / "cache"))


def ring(west: float, east: float) -> list[list[float]]:
    return [[west, -17.0002], [east, -17.0002], [east, -17.0003], [west, -17.0003], [west, -17.0002]]


def shape(west: float, east: float) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [ring(west, east)]}


def image(path: Path, west: float) -> Path:
    from rasterio.transform import Affine

    pixels = np.random.default_rng(1).integers(1, 256, (3, 100, 100), dtype=np.uint8)
    return geotiff(path, pixels, crs="EPSG:4326", transform=Affine(DEGREE, 0, west, 0, -DEGREE, -17))


def read(imagery: Path, labels: Path, **options: Any) -> tuple[dict[str, Scene], dict[str, Reject]]:
    reader = RasterOsm(imagery, RasterOsmOptions(labels=str(labels), align="off", **options), "osm")
    out = [s for e in reader.entries() for s in reader.read(e)]
    scenes = {s.path: s for s in out if isinstance(s, Scene)}
    return scenes, {r.path: r for r in out if isinstance(r, Reject) and r.level == "scene"}


@given(st.floats(-1.5, 1.5), st.floats(0.01, 1.5), st.booleans(), st.sampled_from([-360.0, 0.0]))
def test_wrapping_keeps_the_area_and_the_place(middle: float, half: float, jump: bool, turn: float) -> None:
    low, high = 180.0 + middle - half, 180.0 + middle + half
    if jump and high > 180.0 > low:  # as OSM writes it: every longitude within ±180
        corners = [(low, 1), (high - 360, 1), (high - 360, 2), (low, 2)]
        given = shapely.Polygon(corners)
    else:
        given = shapely.box(low + turn, 1, high + turn, 2)
    if not crosses(given):
        assert low >= 180.0 or high <= 180.0
        return
    got = wrapped(given)
    assert got.area == pytest.approx(2 * half, abs=1e-9)
    assert got.bounds[0] >= -180.0
    assert got.bounds[2] <= 180.0
    for lon in (low + half / 50, high - half / 50):
        assert shapely.distance(got, shapely.Point((lon + 180.0) % 360.0 - 180.0, 1.5)) < 1e-9


def test_an_edge_round_the_whole_earth_is_no_jump() -> None:
    antarctica = shapely.Polygon([(-180, -90), (180, -90), (180, -84), (0, -65), (-180, -84)])
    assert not crosses(antarctica)
    assert not crosses(shapely.MultiPolygon([shapely.box(170, 60, 180, 65), shapely.box(-180, 60, -170, 65)]))


def test_labels_over_the_antimeridian_label_images_on_both_sides(tmp_path: Path) -> None:
    image(tmp_path / "img" / "west.tif", 179.999)  # ends at 180
    image(tmp_path / "img" / "east.tif", -180.0)
    image(tmp_path / "img" / "africa.tif", 20.0)
    rows: list[tuple[dict[str, Any], Any]] = [
        ({"building": "yes", "osm_type": "way", "osm_id": 1}, shape(179.9995, 180.0005)),  # runs on
        ({"building": "house", "osm_type": "way", "osm_id": 2}, shape(179.9997, -179.9997)),  # jumps
        ({"building": "yes", "osm_type": "way", "osm_id": 3}, shape(20.0002, 20.0004)),
    ]
    labels = geojson(tmp_path / "fiji.geojson", rows, bbox=FIJI)
    scenes, rejects = read(tmp_path / "img", labels)
    assert {r: rejects[r].code for r in rejects} == {"africa.tif": "outside_extract"}
    for name, x in (("west.tif", (50, 100)), ("east.tif", (0, 50))):
        found = {r.osm_id: r for r in scenes[name].regions}
        assert set(found) == {1, 2}
        assert found[1].visible == pytest.approx(0.5, abs=1e-6)
        assert (found[1].box[0], found[1].box[2]) == pytest.approx(x, abs=0.01)


def test_a_way_that_jumps_is_cut_at_the_antimeridian(tmp_path: Path) -> None:
    file = tmp_path / "a.osm.pbf"
    with osmium.SimpleWriter(str(file), overwrite=True) as writer:
        for n, (lon, lat) in enumerate(ring(179.9997, -179.9997)[:4], 1):
            writer.add_node(osmium.osm.mutable.Node(id=n, location=(lon, lat), version=1))
        writer.add_way(osmium.osm.mutable.Way(id=1, nodes=[1, 2, 3, 4, 1], tags={"building": "yes"}, version=1))
        writer.add_way(osmium.osm.mutable.Way(id=2, nodes=[1, 2], tags={"highway": "residential"}, version=1))
    tally = Tally()
    area, line = sorted(features(file, tally), key=lambda f: str(f.form))
    assert area.geometry.area == pytest.approx(6e-4 * 1e-4, rel=1e-3)
    assert line.geometry.length == pytest.approx(6e-4, rel=1e-3)
    for feature in (area, line):
        assert shapely.bounds(feature.geometry).tolist()[::2] == [-180.0, 180.0]


def test_hulls_and_headers_do_not_claim_the_rest_of_the_earth(tmp_path: Path) -> None:
    rows = [({"building": "yes"}, shape(x, x + 0.001)) for x in (-179.9, -179.5, 179.2, 179.8)]
    _, hull = open_index(geojson(tmp_path / "a.geojson", rows), tmp_path / "cache").extents()
    assert hull.intersects(shapely.Point(179.5, -17.00025))
    assert not hull.intersects(shapely.Point(0, -17.00025))
    header = osmium.io.Header()
    header.add_box(osmium.osm.Box(177, -18, -178, -16))
    osmium.SimpleWriter(str(tmp_path / "b.osm.pbf"), header=header).close()
    tally = Tally()
    list(features(tmp_path / "b.osm.pbf", tally))
    assert tally.extent is None


def test_an_extent_may_cross_and_must_be_on_earth(tmp_path: Path) -> None:
    rows = [
        ({"building": "yes", "osm_id": n}, shape(x, x + 0.0003)) for n, x in ((1, 179.9992), (2, -179.9992), (3, 20))
    ]
    labels = geojson(tmp_path / "a.geojson", rows)
    image(tmp_path / "img" / "west.tif", 179.999)
    image(tmp_path / "img" / "africa.tif", 20.0)
    scenes, rejects = read(tmp_path / "img", labels, extent=(177, -18, -178, -16))
    assert [r.osm_id for r in scenes["west.tif"].regions] == [1]
    assert rejects["africa.tif"].code == "outside_extract"
    assert area_of((177, -18, -178, -16)).area == pytest.approx(5 * 2)
    for wrong in ((0, 0, 190, 1), (0, 5, 1, 4), (7, 0, 7, 1)):
        with pytest.raises(ValidationError, match="west,south,east,north"):
            RasterOsmOptions(labels="x", extent=wrong)


def test_a_bbox_that_is_no_numbers_is_none(tmp_path: Path) -> None:
    labels = geojson(tmp_path / "a.geojson", [({"building": "yes"}, shape(20, 20.001))], bbox=["a", None, 3, 4])
    tally = Tally()
    assert len(list(features(labels, tally))) == 1
    assert tally.extent is None
