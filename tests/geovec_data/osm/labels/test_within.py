"""Labels of a place only: every format gives the features whose bounds touch the box, and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geovec_data.errors import UserError
from geovec_data.osm.labels.feature import Bounds, Tally
from geovec_data.osm.labels.index import open_index
from geovec_data.osm.labels.label_files import features
from geovec_data.osm.survey import Survey
from geovec_data.readers.raster_osm import RasterOsm, RasterOsmOptions
from geovec_data.records import Scene
from tests.fixtures.osm import OsmWriter, lonlat, png_with_world_file, rect

BOX: Bounds = (*lonlat(0, 100), *lonlat(100, 0))
INSIDE = {1, 2, 3}


def written(folder: Path, kind: str) -> Path:
    """Way 1 inside, 2 across the edge, 3 a road whose width reaches over it, 4 beyond, 5 in another country."""
    rings: dict[int, Any] = {n: rect(x, 20, x + 10, 30) for n, x in ((1, 20), (2, 95), (4, 130), (5, 90_000))}
    if kind == "pbf":
        osm = OsmWriter(folder / "a.osm.pbf", None)
        for n, ring in rings.items():
            osm.way(n, ring, {"building": "yes"})
        osm.way(3, [(102, 0), (102, 90)], {"highway": "residential"}, closed=False)
        osm.way(6, [(20, 60), (40, 80), (40, 60), (20, 80)], {"building": "yes"})  # crosses itself
        osm.way(7, [(9020, 60), (9040, 80), (9040, 60), (9020, 80)], {"building": "yes"})
        return osm.write()
    import geopandas
    import shapely

    shapes = {n: shapely.Polygon([lonlat(*p) for p in r]) for n, r in rings.items()}
    shapes[3] = shapely.LineString([lonlat(102, 0), lonlat(102, 90)])
    tags = [{"highway": "residential"} if n == 3 else {"building": "yes"} for n in shapes]
    columns = {"osm_type": ["way"] * 5, "osm_id": [*shapes], "tags": [json.dumps(t) for t in tags]}
    frame = geopandas.GeoDataFrame(columns, geometry=[*shapes.values()], crs="EPSG:4326")
    if kind == "gpkg":
        frame.to_crs("EPSG:32645").to_file(folder / "a.gpkg", layer="all")
        return folder / "a.gpkg"
    if kind == "parquet":
        frame.to_parquet(folder / "a.parquet", write_covering_bbox=True, row_group_size=1)
        return folder / "a.parquet"
    frame.to_file(folder / "a.geojson")
    return folder / "a.geojson"


@pytest.mark.parametrize("kind", ["pbf", "gpkg", "parquet", "geojson"])
def test_only_what_touches_the_box_is_given(kind: str, tmp_path: Path) -> None:
    file = written(tmp_path, kind)
    tally = Tally()
    found = {f.osm_id: f for f in features(file, tally, None, BOX)}
    assert set(found) == INSIDE | ({6} if kind == "pbf" else set())
    assert tally.known == len(found)
    everything = {f.osm_id: f for f in features(file, Tally())}
    assert len(everything) == (7 if kind == "pbf" else 5)
    assert all(everything[n].bounds == f.bounds for n, f in found.items())


def test_row_groups_apart_from_the_box_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from geovec_data.osm.labels import geoparquet as osm_parquet

    seen: list[str] = []
    real = osm_parquet.row_feature

    def counted(*args: Any) -> Any:
        seen.append(args[4])
        return real(*args)

    monkeypatch.setattr(osm_parquet, "row_feature", counted)
    list(features(written(tmp_path, "parquet"), Tally(), None, BOX))
    assert len(seen) == 4  # way 4 lies within the margin that lines are given; way 5 in another country


def test_an_index_of_a_box_is_another_index(tmp_path: Path) -> None:
    file = written(tmp_path, "pbf")
    assert open_index(file, tmp_path / "cache", BOX).count == 4
    assert open_index(file, tmp_path / "cache").count == 7


def test_the_extent_that_the_user_gives_is_all_that_is_indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path / "cache"))
    png_with_world_file(tmp_path / "img", size=100)
    file = written(tmp_path, "pbf")

    def read(extent: Bounds) -> list[Scene]:
        options = RasterOsmOptions(labels=str(file), crs="EPSG:3857", extent=extent, min_covered=0.9)
        reader = RasterOsm(tmp_path / "img", options, "osm")
        return [s for e in reader.entries() for s in reader.read(e) if isinstance(s, Scene)]

    (scene,) = read(BOX)
    (everything,) = read((84.0, 27.0, 88.0, 28.0))
    assert scene.regions == everything.regions
    assert {r.osm_id for r in scene.regions} == INSIDE - {3}, "of the street only a rim reaches into the image"
    assert isinstance(scene.survey, Survey)
    assert scene.survey.named("street")
    empty = tuple(np.add(BOX, 0.5).tolist())
    with pytest.raises(UserError, match=r"holds no area in reader\.extent"):
        read((empty[0], empty[1], empty[2], empty[3]))
