"""The real imagery and labels that `recipe=osm` was made on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from geovec_data.build.checks import CheckOptions, check
from geovec_data.readers.raster_osm import RasterOsm, RasterOsmOptions
from geovec_data.records import Reject, Scene
from tests.fixtures.osm import geojson

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path_factory.getbasetemp() / "osm-real-cache"))


def read(imagery: Path, labels: Path, **options: Any) -> tuple[list[Scene], list[Reject]]:
    reader = RasterOsm(imagery, RasterOsmOptions(labels=str(labels), **options), "osm")
    scenes, rejects = [], []
    for entry in reader.entries():
        for out in reader.read(entry):
            if isinstance(out, Reject):
                rejects.append(out)
                continue
            scene, lost = check(out, imagery, CheckOptions())
            rejects += lost
            if scene is not None:
                scenes.append(scene)
    return scenes, rejects


def test_banepa_yields_its_buildings(real_data: Path) -> None:
    base = real_data / "open" / "oam_osm_banepa" / "train"
    scenes, rejects = read(base / "oam", base / "osm")
    assert len(scenes) == 48
    regions = [r for s in scenes for r in s.regions]
    assert len({(r.osm_type, r.osm_id) for r in regions}) >= 1300
    assert all(r.osm_type == "way" and r.visible >= 0.3 for r in regions)
    assert {r.ancestors[-1] if r.ancestors else r.category for r in regions} == {"building"}
    assert Counter(r.code for r in rejects).keys() <= {"low_visibility"}
    assert all(s.gsd == pytest.approx(0.132, abs=0.001) for s in scenes)


def test_fourteen_of_the_manhattan_chips_lie_inside_the_extracts(real_data: Path) -> None:
    scenes, rejects = read(real_data / "open" / "rsvqa_hr" / "Images", real_data / "open" / "osm", crs="EPSG:3857")
    assert len(scenes) == 14
    assert Counter(r.code for r in rejects if r.level == "scene") == {"outside_extract": 10}
    inside = [(-74.031, 40.695, -73.968, 40.73), (-74.0136, 40.736, -73.963, 40.759)]
    for scene in scenes:
        assert scene.lon is not None
        assert scene.lat is not None
        assert any(w < scene.lon < e and s < scene.lat < n for w, s, e, n in inside)
        assert scene.gsd == pytest.approx(0.1524, abs=0.0005)
    assert sum(r.category == "building" or "building" in r.ancestors for s in scenes for r in s.regions) >= 35


def test_slippy_names_place_the_fair_tiles(real_data: Path) -> None:
    base = real_data / "open" / "oam_osm_fair5" / "kampala_ug"
    scenes, _ = read(base, base, default_category="building")
    assert len(scenes) == 35
    ids = {r.osm_id for s in scenes for r in s.regions}
    assert len(ids) >= 95


def test_a_spacenet_raster_is_cut_into_windows(real_data: Path, tmp_path: Path) -> None:
    west, south, east, north = -115.171, 36.237, -115.167, 36.241
    shape = {
        "type": "Polygon",
        "coordinates": [[[-115.169, 36.239], [-115.1687, 36.239], [-115.1687, 36.2388], [-115.169, 36.239]]],
    }
    labels = geojson(tmp_path / "a.geojson", [({"building": "yes"}, shape)], bbox=[west, south, east, north])
    scenes, _ = read(real_data / "open" / "spacenet_vegas", labels, images="*.tif")
    assert len(scenes) == 9
    assert {(s.width, s.height, s.format) for s in scenes} == {(512, 512, "PNG")}
    assert sum(len(s.regions) for s in scenes) >= 1
