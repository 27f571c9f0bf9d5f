"""Labels drawn beside their houses, read by `raster_osm`: moved, reported or left."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geovec_data.osm.scene import neighbours as osm_neighbours
from geovec_data.osm.scene.alignment import MOST_CELLS, cell_of, shape_of
from geovec_data.osm.survey import Survey, Thing
from geovec_data.rasters.placement import Placement
from geovec_data.readers.raster_osm import RasterOsm, RasterOsmOptions
from geovec_data.records import Scene
from tests.fixtures.osm import STEP, X0, Y0, geojson, geotiff, lonlat
from tests.geovec_data.align.town import SIDE, Ring, house, houses, picture

GROUND = 0.4427  # metres on the ground of a pixel: Web Mercator's STEP at this latitude
EAST, NORTH = 3.0, -2.0  # where the map has the houses, metres beside what the image shows


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path_factory.getbasetemp() / "osm-alignment-cache"))


def rgb(rings: list[Ring]) -> np.ndarray[Any, Any]:
    return np.repeat(picture(rings).clip(0, 255).astype(np.uint8)[None], 3, axis=0)


def on_the_map(ring: Ring) -> list[tuple[float, float]]:
    return [(x + EAST / GROUND, y - NORTH / GROUND) for x, y in ring[:-1].tolist()]


def write_labels(folder: Path, rings: list[Ring]) -> Path:
    return geojson(
        folder / "labels.geojson", [({"building": "yes", "id": i}, on_the_map(r)) for i, r in enumerate(rings)]
    )


def scenes(folder: Path, labels: Path, **options: Any) -> list[Scene]:
    reader = RasterOsm(folder, RasterOsmOptions(labels=str(labels), min_covered_hull=0.0, **options), "osm")
    return [s for e in reader.entries() for s in reader.read(e) if isinstance(s, Scene)]


def facts(scene: Scene) -> dict[str, str]:
    return {k: v for k, v in scene.attributes if k.startswith("align")}


def things(scene: Scene, name: str) -> list[Thing]:
    assert isinstance(scene.survey, Survey)
    return [t for t in scene.survey.things if t.entry.name == name]


def box_of(ring: Ring) -> tuple[float, ...]:
    return (*ring.min(0).tolist(), *ring.max(0).tolist())


def test_labels_are_moved_onto_their_houses(tmp_path: Path) -> None:
    town = houses(16)
    geotiff(tmp_path / "img" / "a.tif", rgb(town))
    labels = write_labels(tmp_path, town)
    (applied,) = scenes(tmp_path / "img", labels)
    (reported,) = scenes(tmp_path / "img", labels, align="report")
    (plain,) = scenes(tmp_path / "img", labels, align="off")
    assert facts(applied)["align"] == "applied"
    assert float(facts(applied)["align_east_m"]) == pytest.approx(-EAST, abs=0.15)
    assert float(facts(applied)["align_north_m"]) == pytest.approx(-NORTH, abs=0.15)
    assert facts(reported) == facts(applied) | {"align": "measured"}
    assert facts(plain) == {}
    assert reported.regions == plain.regions
    assert (applied.transform, applied.footprint) == (plain.transform, plain.footprint)
    shown = sorted(r.box for r in applied.regions)
    np.testing.assert_allclose(shown, sorted(map(box_of, town)), atol=0.5)
    east = [m.box[0] - p.box[0] for m, p in zip(applied.regions, plain.regions, strict=True)]
    assert np.median(east) == pytest.approx(-EAST / GROUND, abs=0.4)


def test_a_house_that_only_the_map_has_outside_comes_in(tmp_path: Path) -> None:
    town = houses(16)
    edge = house(SIDE - 3.1, SIDE / 2, 6.0, 9.0)
    geotiff(tmp_path / "img" / "a.tif", rgb([*town, edge]))
    labels = write_labels(tmp_path, [*town, edge])
    (applied,) = scenes(tmp_path / "img", labels)
    (plain,) = scenes(tmp_path / "img", labels, align="off")
    assert not [r for r in plain.regions if r.box[0] > SIDE - 8]
    (found,) = [r for r in applied.regions if r.box[0] > SIDE - 8]
    assert found.box == pytest.approx(box_of(edge), abs=0.5)
    assert found.visible == 1.0


def test_lines_and_points_move_too(tmp_path: Path) -> None:
    town = houses(16)
    geotiff(tmp_path / "img" / "a.tif", rgb(town))
    turbine = {"type": "Point", "coordinates": lonlat(100.0, 120.0)}
    road = {"type": "LineString", "coordinates": [lonlat(-20.0, 60.0), lonlat(300.0, 60.0)]}
    labels = geojson(
        tmp_path / "labels.geojson",
        [({"building": "yes"}, on_the_map(r)) for r in town]
        + [({"power": "generator", "generator:source": "wind"}, turbine), ({"highway": "residential"}, road)],
    )
    (applied,) = scenes(tmp_path / "img", labels)
    (plain,) = scenes(tmp_path / "img", labels, align="off")
    for name, side, metres in (("wind turbine", 0, -EAST), ("street", 1, NORTH)):
        (moved,), (stayed,) = (things(s, name) for s in (applied, plain))
        assert moved.box[side] - stayed.box[side] == pytest.approx(metres / GROUND, abs=0.4)


def test_a_footprint_in_two_extracts_does_not_vouch_for_itself(tmp_path: Path) -> None:
    pair = houses(16)[:2]
    geotiff(tmp_path / "img" / "a.tif", rgb(pair))
    for name in ("one", "two"):
        write_labels(tmp_path / "labels" / name, pair)
        (tmp_path / "labels" / name / "labels.geojson").rename(tmp_path / "labels" / f"{name}.geojson")
    (found,) = scenes(tmp_path / "img", tmp_path / "labels")
    assert facts(found)["align_fault"] == "2 footprints in the image, 3 are needed"


@pytest.mark.parametrize("side", [64, 512, 4096, 50_000])
def test_cells_are_bounded_in_size_and_number(side: int) -> None:
    place = Placement("EPSG:32645", (0.25, 0, 400_000, 0, -0.25, 3_000_000), side, side, "embedded")
    rows, columns = shape_of(place)
    assert rows * columns <= 1.01 * MOST_CELLS
    assert cell_of(place) >= 0.3
    assert rows * cell_of(place) == pytest.approx(side * 0.25, rel=0.02)


def test_noise_is_refused_and_labels_stay(tmp_path: Path) -> None:
    geotiff(tmp_path / "img" / "a.tif", rgb([]))
    labels = write_labels(tmp_path, houses(16))
    (applied,) = scenes(tmp_path / "img", labels)
    (plain,) = scenes(tmp_path / "img", labels, align="off")
    assert facts(applied)["align"] == "refused"
    assert facts(applied)["align_fault"]
    assert applied.regions == plain.regions


def test_an_image_with_few_houses_borrows_from_images_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three images beside each other; the middle one holds one house."""
    all_houses: list[Ring] = []
    for number, town in enumerate((houses(16), houses(1, seed=5), houses(16, seed=3))):
        transform = _transform(number)
        geotiff(tmp_path / "img" / f"{number}.tif", rgb(town), transform=transform)
        all_houses += [ring + np.array([number * SIDE, 0.0]) for ring in town]
    labels = write_labels(tmp_path, all_houses)
    first, middle, last = scenes(tmp_path / "img", labels)
    assert [facts(s)["align"] for s in (first, middle, last)] == ["applied"] * 3
    assert facts(middle)["align_lent_by"] == "2"
    assert float(facts(middle)["align_east_m"]) == pytest.approx(-EAST, abs=0.15)
    reader = RasterOsm(tmp_path / "img", RasterOsmOptions(labels=str(labels)), "osm")
    entry = next(e for e in reader.entries() if e.key == "1.tif")
    assert {"0.tif", "1.tif", "2.tif"} <= set(entry.files)  # a change of a neighbour redoes it
    alone = [s for s in reader.read(entry) if isinstance(s, Scene)]
    assert alone == [middle]  # whoever reads it
    monkeypatch.setattr(osm_neighbours, "MOST_FILES", 2)
    assert facts(scenes(tmp_path / "img", labels)[1])["align"] == "refused"


def test_windows_of_one_raster_are_each_other_s_neighbours(tmp_path: Path) -> None:
    towns = (houses(16), houses(1, seed=5), houses(16, seed=3))
    geotiff(tmp_path / "img" / "a.tif", np.concatenate([rgb(town) for town in towns], axis=2))
    rings = [ring + np.array([number * SIDE, 0.0]) for number, town in enumerate(towns) for ring in town]
    found = scenes(tmp_path / "img", write_labels(tmp_path, rings), size=SIDE)
    assert [facts(s)["align"] for s in found] == ["applied"] * 3
    assert facts(found[1])["align_lent_by"] == "2"
    assert all(s.data is not None and Image.open(io.BytesIO(s.data)).size == (SIDE, SIDE) for s in found)


def test_a_turned_image_says_metres_east_and_north(tmp_path: Path) -> None:
    from rasterio.transform import Affine

    town = houses(16)
    turn = Affine.translation(X0, Y0) @ Affine.rotation(30) @ Affine.scale(STEP, -STEP)
    geotiff(tmp_path / "img" / "a.tif", rgb(town), transform=turn)
    flat = Affine.translation(X0, Y0) @ Affine.scale(STEP, -STEP)
    to_flat = ~flat @ turn
    rings = [np.array([to_flat @ (x, y) for x, y in r.tolist()]) for r in town]
    (applied,) = scenes(tmp_path / "img", write_labels(tmp_path, rings))
    assert float(facts(applied)["align_east_m"]) == pytest.approx(-EAST, abs=0.15)
    assert float(facts(applied)["align_north_m"]) == pytest.approx(-NORTH, abs=0.15)
    np.testing.assert_allclose(sorted(r.box for r in applied.regions), sorted(map(box_of, town)), atol=0.6)


def _transform(number: int) -> Any:
    from rasterio.transform import Affine

    return Affine(STEP, 0, X0 + number * SIDE * STEP, 0, -STEP, Y0)
