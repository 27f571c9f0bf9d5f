from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from geovec_data.build.checks import CheckOptions, check
from geovec_data.errors import UserError
from geovec_data.readers import get_reader
from geovec_data.readers.raster_osm import RasterOsm, RasterOsmOptions
from geovec_data.records import Region, Reject, Scene
from tests.fixtures.osm import (
    SIZE,
    STEP,
    X0,
    Y0,
    geojson,
    geotiff,
    lonlat,
    pixels,
    png_with_world_file,
    polygon,
    rect,
    small_town,
    tif_with_sidecar,
)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path / "cache"))


def read(imagery: Path, labels: Path, **options: Any) -> tuple[list[Scene], list[Reject]]:
    options.setdefault("crs", "EPSG:3857")
    reader = RasterOsm(imagery, RasterOsmOptions(labels=str(labels), **options), "osm")
    out = [s for e in reader.entries() for s in reader.read(e)]
    return [s for s in out if isinstance(s, Scene)], [r for r in out if isinstance(r, Reject)]


def named(scene: Scene) -> dict[tuple[str | None, int | None], Region]:
    return {(r.osm_type, r.osm_id): r for r in scene.regions}


def town(tmp_path: Path) -> Path:
    return small_town(tmp_path / "labels" / "town.osm.pbf")


def test_the_reader_is_registered() -> None:
    assert get_reader("raster_osm") is RasterOsm


def test_areas_become_regions_at_their_pixels(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    (scene,), rejects = read(tmp_path / "img", town(tmp_path))
    found = named(scene)
    # the wood is larger than the image; the straight road fills its box, the closed footpath does not
    assert set(found) == {("way", 1), ("way", 2), ("way", 6), ("way", 8), ("relation", 10)}
    assert found["way", 6].category == "street"
    house = found["way", 1]
    assert house.box == pytest.approx((20, 20, 40, 30), abs=0.05)
    assert (house.category, house.ancestors) == ("house", ("residential building", "building"))
    assert house.tags == {"building": "house", "name": "Ghar", "@version": "1"}
    assert house.visible == 1.0
    assert (house.lon, house.lat) == pytest.approx(lonlat(30, 25), abs=1e-7)
    corners = np.array(house.polygon).reshape(-1, 2)
    assert sorted(map(tuple, corners.round().tolist())) == [(20, 20), (20, 30), (40, 20), (40, 30)]
    assert all((r.level, r.path) == ("region", "a.png") for r in rejects)
    broken = [r.detail.split(":")[0] for r in rejects if r.code == "broken_area"]
    assert sorted(broken) == ["relation/11", "way/5"]
    assert [r.code for r in rejects if r.code != "broken_area"] == ["below_gsd"]  # a footpath, at half a metre a pixel


def test_the_edge_cuts_and_holes_count_in_what_is_visible(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    (scene,), _ = read(tmp_path / "img", town(tmp_path))
    cut = named(scene)["way", 2]
    assert cut.box == pytest.approx((190, 100, 200, 120), abs=0.05)
    assert cut.visible == pytest.approx(0.5, abs=0.005)
    assert max(cut.polygon) <= SIZE
    # the same school with its hole, moved so that the image's edge goes through the hole's right half
    rows = [
        ({"building": "yes", "osm_type": "way", "osm_id": 1}, polygon(rect(175, 50, 215, 90), rect(185, 60, 195, 80)))
    ]
    labels = geojson(tmp_path / "holed.geojson", rows, bbox=[*lonlat(-50, 250), *lonlat(250, -50)])
    (holed,), _ = read(tmp_path / "img", labels)
    (region,) = holed.regions
    assert region.visible == pytest.approx((25 * 40 - 10 * 20) / (40 * 40 - 10 * 20), abs=0.003)


def test_every_way_to_georeference_puts_the_regions_on_the_same_pixels(tmp_path: Path) -> None:
    img = tmp_path / "img"
    png_with_world_file(img)
    tif_with_sidecar(img)
    geotiff(img / "c.tif", np.moveaxis(pixels(), -1, 0))
    scenes, _ = read(img, town(tmp_path))
    assert [s.path for s in scenes] == ["a.png", "b.tif", "c.tif"]
    for scene in scenes:
        assert (scene.crs, scene.width, scene.height) == ("EPSG:3857", SIZE, SIZE)
        assert scene.transform == pytest.approx((STEP, 0, X0, 0, -STEP, Y0), abs=1e-6)
        assert scene.footprint == pytest.approx(
            (*lonlat(0, 0), *lonlat(SIZE, 0), *lonlat(SIZE, SIZE), *lonlat(0, SIZE)), abs=1e-8
        )
        assert (scene.lon, scene.lat) == pytest.approx(lonlat(100, 100), abs=1e-6)
        assert scene.gsd == pytest.approx(STEP * np.cos(np.radians(27.61)), rel=0.005)
        assert [r.box for r in scene.regions] == [r.box for r in scenes[0].regions]
        checked, lost = check(scene, img, CheckOptions())
        assert checked is not None
        assert len(checked.regions) == 5
        assert not lost
    assert scenes[2].data is not None
    assert Image.open(io.BytesIO(scenes[2].data)).format == "PNG"


def test_images_outside_the_labels_are_refused_not_read_as_empty(tmp_path: Path) -> None:
    img = tmp_path / "img"
    png_with_world_file(img, "inside.png")
    png_with_world_file(img, "partly.png", dx=100)  # its right quarter lies beyond the extract's 250
    png_with_world_file(img, "outside.png", dx=4000)
    scenes, rejects = read(img, town(tmp_path))
    assert [s.path for s in scenes] == ["inside.png"]
    refused = {r.path: r for r in rejects if r.level == "scene"}
    assert {k: r.code for k, r in refused.items()} == {
        "outside.png": "outside_extract",
        "partly.png": "outside_extract",
    }
    assert refused["outside.png"].detail.startswith("0% of it")
    assert refused["partly.png"].detail.startswith("75% of it")
    assert len(read(img, town(tmp_path), min_covered=0.7)[0]) == 2
    west, south, east, north = *lonlat(-50, 250), *lonlat(400, -50)
    assert len(read(img, town(tmp_path), extent=(west, south, east, north))[0]) == 2


def test_labels_that_state_no_extent_cover_their_hull_and_images_with_a_label(tmp_path: Path) -> None:
    img = tmp_path / "img"
    for n, dx in enumerate((0, 200, 400, 600, 900)):
        png_with_world_file(img, f"{n}.png", dx=dx)
    rows = [({"building": "yes"}, rect(x, y, x + 20, y + 20)) for x in (5, 500, 620) for y in (5, 170)]
    labels = geojson(tmp_path / "a.geojson", rows)
    scenes, rejects = read(img, labels)
    # 0 and 2 hold labels; 1 lies in the hull, but holds none; 3 has a label and only its edge in the hull
    assert [s.path for s in scenes] == ["0.png", "2.png"]
    details = {r.path: r.detail for r in rejects}
    assert set(details) == {"1.png", "3.png", "4.png"}
    assert "no label touches it" in details["1.png"]
    assert "of it lies in the hull" in details["3.png"]
    assert [s.path for s in read(img, labels, min_covered_hull=0.1)[0]] == ["0.png", "2.png", "3.png"]


def test_a_large_raster_is_read_in_windows_that_know_where_they_lie(tmp_path: Path) -> None:
    data = np.moveaxis(pixels(), -1, 0)
    geotiff(tmp_path / "img" / "big.tif", data)
    scenes, _ = read(tmp_path / "img", town(tmp_path), size=100)
    assert [s.key for s in scenes] == [f"big.tif#{x},{y},{x + 100},{y + 100}" for y in (0, 100) for x in (0, 100)]
    for scene in scenes:
        assert scene.window is not None
        x0, y0 = int(scene.window[0]), int(scene.window[1])
        assert scene.parent == scene.path == "big.tif"
        assert scene.data is not None
        np.testing.assert_array_equal(
            np.moveaxis(np.asarray(Image.open(io.BytesIO(scene.data))), -1, 0), data[:, y0 : y0 + 100, x0 : x0 + 100]
        )
        assert scene.footprint[:2] == pytest.approx(lonlat(x0, y0), abs=1e-8)
    assert named(scenes[0])["way", 1].box == pytest.approx((20, 20, 40, 30), abs=0.05)
    assert named(scenes[3])["way", 2].box == pytest.approx((90, 0, 100, 20), abs=0.05)
    # it touches that window's edge: no more than what rounding to OSM's 1e-7 degrees puts over it
    assert ("way", 2) not in named(scenes[1]) or named(scenes[1])["way", 2].visible < 0.001
    whole, _ = read(tmp_path / "img", town(tmp_path), size=134)
    assert [s.key for s in whole] == ["big.tif"]


def test_windows_without_data_are_refused(tmp_path: Path) -> None:
    data = np.moveaxis(pixels(), -1, 0).copy()
    data[data == 0] = 1
    data[:, :, 60:] = 0
    geotiff(tmp_path / "img" / "big.tif", data, nodata=0)
    scenes, rejects = read(tmp_path / "img", town(tmp_path), size=100)
    assert [s.key for s in scenes] == ["big.tif#0,0,100,100", "big.tif#0,100,100,200"]
    assert [r.code for r in rejects if r.level == "scene"] == ["no_data"] * 2


def test_bad_images_are_rejects(tmp_path: Path) -> None:
    img = tmp_path / "img"
    png_with_world_file(img, "a.png")
    png_with_world_file(img, "no_world.png").with_suffix(".pgw").unlink()
    png_with_world_file(img, "text.png").write_text("no image")
    (png_with_world_file(img, "x.png").parent / "x.pgw").write_text("1\n2\n")
    scenes, rejects = read(img, town(tmp_path))
    assert [s.path for s in scenes] == ["a.png"]
    assert {r.path: r.code for r in rejects if r.level == "scene"} == {
        "no_world.png": "no_georeference",
        "text.png": "unreadable_image",
        "x.png": "no_georeference",
    }


def test_keys_default_category_and_max_area(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    labels = town(tmp_path)
    (scene,), _ = read(tmp_path / "img", labels, keys=("highway",))
    assert sorted(r.category for r in scene.regions) == ["pedestrian area", "street"]
    (scene,), _ = read(tmp_path / "img", labels, max_area=10)
    wood = named(scene)["way", 12]
    assert (wood.category, wood.box) == ("forest", (0, 0, SIZE, SIZE))
    bare = geojson(tmp_path / "bare.geojson", [({"osm_id": 5}, rect(10, 10, 190, 190))])
    with pytest.raises(UserError, match=r"none of its 1 areas has a tag.*reader\.default_category=building"):
        read(tmp_path / "img", bare)
    (scene,), _ = read(tmp_path / "img", bare, default_category="building")
    (region,) = scene.regions
    assert (region.category, region.osm_type, region.osm_id) == ("building", None, 5)


def test_a_folder_with_nothing_to_read_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    img = tmp_path / "img"
    labels = town(tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        read(img, labels)
    img.mkdir()
    (img / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"no image .*Found: notes\.txt"):
        read(img, labels)
    png_with_world_file(img)
    with pytest.raises(UserError, match=r"no image can be used.*a\.png.*set reader\.crs"):
        read(img, labels, crs=None)
    png_with_world_file(img, dx=100_000)
    west, east = f"{lonlat(100_000, 0)[0]:.4f}", f"{lonlat(250, 0)[0]:.4f}"
    with pytest.raises(UserError, match=rf"no image .* images {west},.*labels .*{east},"):
        read(img, labels)
    with pytest.raises(UserError, match="stay inside"):
        read(img, labels, images="../*.png")
    point = {"type": "Point", "coordinates": [85.5, 27.6]}
    with pytest.raises(UserError, match="holds no area: 1 of its features"):
        read(img, geojson(tmp_path / "shops.geojson", [({"shop": "bakery"}, point)]))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"keys": ["buildings"]}, "Did you mean 'building'"),
        ({"bands": [1, 2]}, "one band or three"),
        ({"bands": [0]}, "counted from 1"),
        ({"size": 64, "overlap": 64}, "must be less than size"),
        ({"lables": "x"}, "Extra inputs"),
    ],
)
def test_wrong_options_are_told(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RasterOsmOptions.model_validate({"labels": "x"} | option)


def test_entries_list_sidecars_and_labels_are_shared(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img" / "deep er")
    labels = town(tmp_path)
    reader = RasterOsm(tmp_path / "img", RasterOsmOptions(labels=str(labels.parent), crs="EPSG:3857"), "osm")
    (entry,) = reader.entries()
    assert entry.key == "deep er/a.png"
    assert {"deep er/a.png", "deep er/a.pgw", "deep er/a.png.aux.xml"} <= set(entry.files)
    assert reader.shared() == (labels,)


def test_two_readings_are_equal(tmp_path: Path) -> None:
    geotiff(tmp_path / "img" / "big.tif", np.moveaxis(pixels(), -1, 0))
    first = read(tmp_path / "img", town(tmp_path), size=64, overlap=16)
    assert len(first[0]) == 16
    assert first == read(tmp_path / "img", town(tmp_path), size=64, overlap=16)
