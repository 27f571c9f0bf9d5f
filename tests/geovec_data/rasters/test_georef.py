from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.rasters.georef import Embedded, NoGeoreference, Placement, place, sidecars, tile_of
from tests.fixtures.osm import SIZE, STEP, X0, Y0, lonlat, png_with_world_file, tif_with_sidecar

BARE = Embedded(SIZE, SIZE)


def corners(placement: Placement) -> np.ndarray:
    return np.array(placement.footprint()).reshape(-1, 2)


SCENE = np.array([lonlat(0, 0), lonlat(SIZE, 0), lonlat(SIZE, SIZE), lonlat(0, SIZE)])


def test_a_world_file_speaks_of_the_pixels_centre_and_needs_a_crs(tmp_path: Path) -> None:
    path = png_with_world_file(tmp_path)
    placement = place(path, "a.png", BARE, "EPSG:3857")
    assert (placement.source, placement.crs) == ("world file", "EPSG:3857")
    assert placement.transform == pytest.approx((STEP, 0, X0, 0, -STEP, Y0), abs=1e-9)
    np.testing.assert_allclose(corners(placement), SCENE, atol=1e-8)
    with pytest.raises(NoGeoreference, match=r"no CRS; set reader\.crs"):
        place(path, "a.png", BARE)
    with pytest.raises(NoGeoreference, match=r"nowhere in EPSG:4326; is reader\.crs right"):
        place(path, "a.png", BARE, "EPSG:4326")
    with pytest.raises(NoGeoreference, match="'EPSG:99999999' is not understood"):
        place(path, "a.png", BARE, "EPSG:99999999")


def test_a_prj_file_names_the_world_files_crs(tmp_path: Path) -> None:
    from pyproj import CRS

    path = png_with_world_file(tmp_path)
    path.with_suffix(".prj").write_text(CRS.from_epsg(3857).to_wkt("WKT1_ESRI"))
    assert place(path, "a.png", BARE).crs == "EPSG:3857"


@pytest.mark.parametrize("suffix", ["tif", "TIF"])
@pytest.mark.parametrize("world", ["tfw", "tifw", "wld"])
def test_world_files_of_each_name_are_found(suffix: str, world: str, tmp_path: Path) -> None:
    lines = png_with_world_file(tmp_path).with_suffix(".pgw").read_text()
    name = f"x.{suffix}"
    file = tmp_path / f"x.{world.upper() if suffix.isupper() else world}"
    file.write_text(lines)
    assert file.name in sidecars(name)
    assert place(tmp_path / name, name, BARE, "EPSG:3857").source == "world file"


def test_a_sidecar_says_it_all_and_comes_before_what_is_embedded(tmp_path: Path) -> None:
    path = tif_with_sidecar(tmp_path)
    elsewhere = Embedded(SIZE, SIZE, "EPSG:32645", (1.0, 0.0, 500_000.0, 0.0, -1.0, 3_000_000.0))
    placement = place(path, "b.tif", elsewhere)
    assert (placement.source, placement.crs) == ("sidecar", "EPSG:3857")
    np.testing.assert_allclose(corners(placement), SCENE, atol=1e-8)
    (tmp_path / "b.tif.aux.xml").unlink()
    assert place(path, "b.tif", elsewhere).source == "embedded"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("<PAMDataset><GeoTransform>1,2,3</GeoTransform></PAMDataset>", "holds 3 numbers, not 6"),
        ("<PAMDataset><GeoTransform>a,b,c,d,e,f</GeoTransform></PAMDataset>", "other than numbers"),
        ("<PAMDataset>", "not well-formed"),
        ('<!DOCTYPE x [<!ENTITY e "e">]><PAMDataset>&e;</PAMDataset>', "not well-formed"),
        ("<PAMDataset><GeoTransform>0,0,0,0,0,0</GeoTransform><SRS>EPSG:4326</SRS></PAMDataset>", "degenerate"),
        ("<PAMDataset><GeoTransform>nan,1,0,0,0,1</GeoTransform><SRS>EPSG:4326</SRS></PAMDataset>", "degenerate"),
    ],
)
def test_a_broken_sidecar_is_told_and_not_passed_over(content: str, fault: str, tmp_path: Path) -> None:
    path = png_with_world_file(tmp_path)
    (tmp_path / "a.png.aux.xml").write_text(content)
    with pytest.raises(NoGeoreference, match=fault):
        place(path, "a.png", BARE, "EPSG:3857")


def test_a_sidecar_of_statistics_only_is_no_georeference(tmp_path: Path) -> None:
    path = png_with_world_file(tmp_path)
    (tmp_path / "a.png.aux.xml").write_text("<PAMDataset><PAMRasterBand band='1'/></PAMDataset>")
    assert place(path, "a.png", BARE, "EPSG:3857").source == "world file"


@pytest.mark.parametrize(
    ("name", "tile"),
    [
        ("19/386690/220241.png", (19, 386690, 220241)),
        ("a/b/19/386690/220241.jpg", (19, 386690, 220241)),
        ("chips/OAM-386690-220241-19.tif", (19, 386690, 220241)),
        ("OAM-386690-220241-3.tif", None),  # there is no such tile at zoom 3
        ("IMG-2019-05-12.jpg", None),
        ("2019/05/12.jpg", None),
        ("x/1/2.png", None),
    ],
)
def test_tile_names(name: str, tile: tuple[int, int, int] | None) -> None:
    assert tile_of(name) == tile


def test_a_tile_name_counts_only_where_tiles_are_expected(tmp_path: Path) -> None:
    name = "2/3/1.png"
    with pytest.raises(NoGeoreference, match=r"no world file$"):
        place(tmp_path / name, name, BARE)
    placement = place(tmp_path / name, name, BARE, tile_names=True)
    assert placement.source == "tile name"
    # zoom 2, x 3, y 1: the easternmost quarter, from the equator up to 66.51 degrees north
    np.testing.assert_allclose(corners(placement)[0], (90.0, 66.51326044), atol=1e-7)
    np.testing.assert_allclose(corners(placement)[2], (180.0, 0.0), atol=1e-7)


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:4326", "EPSG:32645"])
def test_gsd_is_metres_on_the_ground_in_any_crs(crs: str) -> None:
    lat = math.radians(27.63)
    per_degree = 111_320.0
    steps = {"EPSG:3857": 0.3 / math.cos(lat), "EPSG:32645": 0.3, "EPSG:4326": 0.3 / per_degree}
    origins = {
        "EPSG:3857": (9_520_000.0, 3_200_000.0),
        "EPSG:32645": (354_000.0, 3_057_000.0),
        "EPSG:4326": (85.52, 27.634),
    }
    step, (x, y) = steps[crs], origins[crs]
    across = step / math.cos(lat) if crs == "EPSG:4326" else step
    gsd = Placement(crs, (across, 0, x, 0, -step, y), 500, 500, "embedded").gsd()
    assert gsd == pytest.approx(0.3, rel=0.005)


@given(
    st.tuples(*[st.floats(-2000, 2000)] * 2),
    st.floats(0, 2 * math.pi),
    st.integers(0, 900),
    st.integers(0, 900),
    st.sampled_from(["EPSG:3857", "EPSG:32645"]),
)
def test_pixels_and_degrees_are_inverse_and_windows_agree(
    point: tuple[float, float], turn: float, x0: int, y0: int, crs: str
) -> None:
    c, s = 0.3 * math.cos(turn), 0.3 * math.sin(turn)
    origin = (9_520_000.0, 3_200_000.0) if crs == "EPSG:3857" else (354_000.0, 3_057_000.0)
    whole = Placement(crs, (c, s, origin[0], s, -c, origin[1]), 1000, 1000, "embedded")
    pixels = np.array([point])
    degrees = whole.to_lonlat(pixels)
    np.testing.assert_allclose(whole.to_pixels(degrees), pixels, atol=1e-3)
    window = whole.window(x0, y0, 64, 64)
    np.testing.assert_allclose(window.to_pixels(degrees), pixels - [x0, y0], atol=1e-3)


def test_a_crs_that_leads_nowhere_is_no_georeference(tmp_path: Path) -> None:
    here = Embedded(10, 10, 'LOCAL_CS["a drawing board",UNIT["metre",1]]', (1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
    with pytest.raises(NoGeoreference, match=r"no way from .* to degrees"):
        place(tmp_path / "a.tif", "a.tif", here)
