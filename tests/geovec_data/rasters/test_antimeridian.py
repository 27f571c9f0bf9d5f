"""Imagery across the antimeridian: windows beside it are labelled, those on it are refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.osm import SIZE, geojson, geotiff
from tests.geovec_data.rasters.reading import codes, read, rgb


def test_rasters_at_the_antimeridian_are_labelled_on_both_sides_of_it(tmp_path: Path) -> None:
    from rasterio.transform import Affine

    degree, west = 1e-5, 179.999
    for name, x0 in (("a.tif", west), ("b.tif", west - 360)):  # from 179.999 on, and from −180.001 on
        geotiff(tmp_path / "img" / name, rgb(), crs="EPSG:4326", transform=Affine(degree, 0, x0, 0, -degree, -17))

    def house(x: float) -> dict[str, Any]:
        ring = [[x, -17.0002], [x + 1e-4, -17.0002], [x + 1e-4, -17.0003], [x, -17.0003], [x, -17.0002]]
        return {"type": "Polygon", "coordinates": [ring]}

    rows = [({"building": "yes", "osm_id": n}, house(x)) for n, x in ((1, 179.9995), (2, -179.9995), (3, -179.9992))]
    labels = geojson(tmp_path / "fiji.geojson", rows, bbox=[-180, -18, 180, -16])
    scenes, rejects = read(tmp_path / "img", labels, size=80)
    assert codes(rejects) == {"antimeridian": 6}  # the middle column of three, in both
    for name in ("a.tif", "b.tif"):
        left, right = (s for s in scenes if s.path == name and s.window is not None and s.window[1] == 0)
        assert left.footprint[:2] == pytest.approx((179.999, -17), abs=1e-8)
        assert right.footprint[2:4] == pytest.approx((-179.999, -17), abs=1e-8)
        assert [r.osm_id for r in left.regions] == [1]
        assert {r.osm_id for r in right.regions} == {3, 2}
        assert next(r for r in left.regions).box == pytest.approx((50, 20, 60, 30), abs=0.01)
        assert next(r for r in right.regions if r.osm_id == 3).box == pytest.approx((60, 20, 70, 30), abs=0.01)
    (tmp_path / "img" / "b.tif").unlink()
    _, rejects = read(tmp_path / "img", labels)
    assert codes(rejects) == {"antimeridian": 1}


@pytest.mark.parametrize("crs", ["EPSG:3832", "EPSG:32760", "EPSG:32701", "EPSG:3460"])  # Pacific, UTM 60S, 1S, Fiji
def test_a_raster_in_metres_across_it_is_labelled_on_both_sides(crs: str, tmp_path: Path) -> None:
    from pyproj import Transformer
    from rasterio.transform import Affine

    there = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x0, y0 = there.transform(180.0, -17.0)
    x0, y0 = x0 - SIZE / 2, y0 + SIZE / 2  # 200 m around it, in pixels of a metre
    geotiff(tmp_path / "img" / "a.tif", rgb(), crs=crs, transform=Affine(1, 0, x0, 0, -1, y0))

    def house(x: float, y: float) -> dict[str, Any]:
        corners = ((x, y), (x + 20, y), (x + 20, y + 20), (x, y + 20), (x, y))
        ring = [there.transform(x0 + a, y0 - b, direction="INVERSE") for a, b in corners]
        return {"type": "Polygon", "coordinates": [[[(lon + 180) % 360 - 180, lat] for lon, lat in ring]]}

    rows = [({"building": "yes", "osm_id": n}, house(x, 40)) for n, x in ((1, 10), (2, 90), (3, 170))]
    labels = geojson(tmp_path / "fiji.geojson", rows, bbox=[-180, -18, 180, -16])
    scenes, rejects = read(tmp_path / "img", labels, size=70)
    assert codes(rejects) == {"antimeridian": 3}
    said = next(r.detail for r in rejects if r.code == "antimeridian")
    assert "across the antimeridian, from longitude 179.99" in said
    assert "to -179.99" in said
    left, right = (s for s in scenes if s.window is not None and s.window[1] == 0)
    assert [(r.osm_id, pytest.approx(r.box, abs=0.01)) for r in left.regions] == [(1, (10, 40, 30, 60))]
    assert [(r.osm_id, pytest.approx(r.box, abs=0.01)) for r in right.regions] == [(3, (40, 40, 60, 60))]
    for scene, sign in ((left, 1), (right, -1)):
        assert scene.lon is not None
        assert 179.99 < sign * scene.lon < 180.0
        assert all(179.99 < sign * lon <= 180.0 for lon in scene.footprint[::2])
