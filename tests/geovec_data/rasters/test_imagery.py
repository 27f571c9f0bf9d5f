"""What `raster_osm` makes of imagery: any CRS, size and kind of pixel, and bad input."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geovec_data.errors import UserError
from geovec_data.rasters import grid, imagery
from geovec_data.readers.raster_osm import RasterOsm, RasterOsmOptions
from geovec_data.records import Scene
from tests.fixtures.osm import SIZE, STEP, X0, Y0, geotiff, lonlat, png_with_world_file, vrt
from tests.geovec_data.rasters.reading import codes, read, rgb, town


def picture(scene: Scene) -> np.ndarray[Any, Any]:
    assert scene.data is not None
    return np.asarray(Image.open(io.BytesIO(scene.data)))


def box_of(scene: Scene, number: int) -> tuple[float, ...]:
    return next(r.box for r in scene.regions if r.osm_id == number and r.osm_type == "way")


def test_chips_of_a_chosen_gsd_carry_their_labels_along(tmp_path: Path) -> None:
    geotiff(tmp_path / "img" / "a.tif", rgb())
    labels = town(tmp_path)
    (native,), _ = read(tmp_path / "img", labels)
    assert native.gsd is not None
    gsd = 2 * native.gsd
    (scene,), _ = read(tmp_path / "img", labels, gsd=gsd)
    assert (scene.width, scene.height) == (SIZE // 2, SIZE // 2)
    assert scene.gsd == pytest.approx(gsd, rel=1e-4)
    assert scene.footprint == native.footprint
    assert box_of(scene, 1) == pytest.approx((10, 10, 20, 15), abs=0.03)
    assert dict(scene.attributes)["resampled_from"] == f"{native.gsd:.4g} m"
    mean = rgb().astype(float).reshape(3, SIZE // 2, 2, SIZE // 2, 2).mean(axis=(2, 4))
    assert np.abs(np.moveaxis(picture(scene), -1, 0) - mean).mean() < 20  # of noise whose spread is 74
    chips, _ = read(tmp_path / "img", labels, gsd=gsd, size=40, overlap=10)
    assert {(c.width, c.height) for c in chips} == {(40, 40)}
    assert [c.window for c in chips[:3]] == [(0, 0, 80, 80), (60, 0, 140, 80), (120, 0, 200, 80)]
    assert box_of(chips[0], 1) == pytest.approx((10, 10, 20, 15), abs=0.05)


def test_a_finer_gsd_than_the_imagery_has_is_refused(tmp_path: Path) -> None:
    geotiff(tmp_path / "img" / "a.tif", rgb())
    with pytest.raises(UserError, match=r"no image can be used\. a\.tif: its pixels span 0\.44.*reader\.gsd=0\.1 asks"):
        read(tmp_path / "img", town(tmp_path), gsd=0.1)
    from rasterio.transform import Affine

    coarse = Affine(4 * STEP, 0, X0, 0, -4 * STEP, Y0)
    geotiff(tmp_path / "img" / "coarse.tif", rgb(50), transform=coarse)
    scenes, rejects = read(tmp_path / "img", town(tmp_path), gsd=0.5)
    assert ([s.path for s in scenes], codes(rejects)) == (["a.tif"], {"too_coarse": 1})


def test_a_large_raster_is_divided_and_no_division_changes_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    geotiff(tmp_path / "img" / "a.tif", (rgb().astype(np.uint16) * 40))
    labels = town(tmp_path)
    whole = read(tmp_path / "img", labels, size=50)
    monkeypatch.setattr(imagery, "DIVIDED_BYTES", 1000)
    reader = RasterOsm(tmp_path / "img", RasterOsmOptions(labels=str(labels), size=50), "osm")
    keys = [e.key for e in reader.entries()]
    assert keys == [f"a.tif#row{y},0" for y in (0, 50, 100, 150)]
    assert all(e.files[0] == "a.tif" for e in reader.entries())
    assert read(tmp_path / "img", labels, size=50) == whole
    assert len(whole[0]) == 16
    alone = RasterOsm(tmp_path / "img", RasterOsmOptions(labels=str(labels), size=50), "osm")
    (last,) = [e for e in reader.entries() if e.key == keys[-1]]
    scenes = [s for s in alone.read(last) if isinstance(s, Scene)]
    assert scenes == whole[0][-4:]  # the stretch is of the whole raster, whoever reads a part of it
    (said,) = {dict(s.attributes)["stretch"] for s in whole[0]}
    assert said.startswith("band 1: ")
    assert said.endswith(" to 0–255")


def test_a_large_picture_that_is_decoded_from_the_top_down_is_divided_into_few_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png_with_world_file(tmp_path / "img")
    labels = town(tmp_path)
    whole = read(tmp_path / "img", labels, size=20, crs="EPSG:3857")
    monkeypatch.setattr(imagery, "DIVIDED_BYTES", 1000)
    monkeypatch.setattr(grid, "BLOCK", 25)
    reader = RasterOsm(tmp_path / "img", RasterOsmOptions(labels=str(labels), size=20, crs="EPSG:3857"), "osm")
    entries = list(reader.entries())
    assert [e.key for e in entries] == [f"a.png#row{y}" for y in (0, 40, 100, 140)]  # of 10 rows 2, 3, 2 and 3
    assert read(tmp_path / "img", labels, size=20, crs="EPSG:3857") == whole
    assert len(whole[0]) == 100
    alone = RasterOsm(tmp_path / "img", RasterOsmOptions(labels=str(labels), size=20, crs="EPSG:3857"), "osm")
    assert [s for s in alone.read(entries[2]) if isinstance(s, Scene)] == whole[0][50:70]


def test_a_vrt_is_read_once_and_not_its_sources_besides(tmp_path: Path) -> None:
    for n in range(4):
        geotiff(tmp_path / "img" / "tiles" / f"{n}.tif", rgb(SIZE // 2, seed=n))
    vrt(tmp_path / "img" / "m.vrt", [["tiles/0.tif", "tiles/1.tif"], ["tiles/2.tif", "tiles/3.tif"]], SIZE // 2)
    labels = town(tmp_path)
    scenes, rejects = read(tmp_path / "img", labels, size=SIZE // 2)
    assert [s.key for s in scenes] == [f"m.vrt#{x},{y},{x + 100},{y + 100}" for y in (0, 100) for x in (0, 100)]
    assert not codes(rejects)
    for n, scene in enumerate(scenes):
        np.testing.assert_array_equal(np.moveaxis(picture(scene), -1, 0), rgb(SIZE // 2, seed=n))
    assert scenes[0].regions
    reader = RasterOsm(tmp_path / "img", RasterOsmOptions(labels=str(labels), size=SIZE // 2), "osm")
    assert {f"tiles/{n}.tif" for n in range(4)} < set(next(iter(reader.entries())).files)
    (tmp_path / "img" / "bad.vrt").write_text("<VRTDataset subClass='VRTWarpedDataset'/>")
    (tmp_path / "img" / "tiles" / "3.tif").write_bytes((tmp_path / "img" / "tiles" / "3.tif").read_bytes()[:9000])
    scenes, rejects = read(tmp_path / "img", labels, size=SIZE // 2)
    assert {r.path: r.code for r in rejects if r.level == "scene"} == {
        "bad.vrt": "unreadable_image",
        "m.vrt#100,100,200,200": "unreadable_image",
    }
    assert len(scenes) == 3


def test_a_list_names_the_images(tmp_path: Path) -> None:
    for n in range(3):
        geotiff(tmp_path / f"{n}.tif", rgb(seed=n))
    scenes, _ = read(tmp_path, town(tmp_path), files=("0.tif", "2.tif"))
    assert [s.path for s in scenes] == ["0.tif", "2.tif"]


def test_images_of_several_crs_lie_at_one_place(tmp_path: Path) -> None:
    import rasterio
    from rasterio.warp import Resampling, calculate_default_transform, reproject

    source = geotiff(tmp_path / "img" / "a.tif", rgb())
    with rasterio.open(source) as a:
        for crs in ("EPSG:4326", "EPSG:32645", "+proj=laea +lat_0=27 +lon_0=85"):
            transform, width, height = calculate_default_transform(a.crs, crs, a.width, a.height, *a.bounds)
            out = np.zeros((3, height, width), np.uint8)
            reproject(
                rasterio.band(a, [1, 2, 3]), out, dst_transform=transform, dst_crs=crs, resampling=Resampling.nearest
            )
            geotiff(tmp_path / "img" / f"{crs[-4:].strip()}.tif", out, crs=crs, transform=transform)
    scenes, rejects = read(tmp_path / "img", town(tmp_path))
    assert len(scenes) == 4
    assert not codes(rejects)
    places = [next((r.lon, r.lat) for r in s.regions if r.osm_id == 1) for s in scenes]
    for place in places:
        assert place == pytest.approx(lonlat(30, 25), abs=2e-6)
    assert len({s.crs for s in scenes}) == 4


def test_rotated_rasters_are_read_and_senseless_transforms_refused(tmp_path: Path) -> None:
    from rasterio.transform import Affine

    base = Affine(STEP, 0, X0, 0, -STEP, Y0)
    turned = base @ Affine.translation(100, 100) @ Affine.rotation(30) @ Affine.translation(-100, -100)
    geotiff(tmp_path / "img" / "turned.tif", rgb(), transform=turned)
    geotiff(tmp_path / "img" / "sheared.tif", rgb(), transform=base @ Affine.shear(60, 0))
    geotiff(tmp_path / "img" / "thin.tif", rgb(), transform=base @ Affine.scale(1, 0.01))
    geotiff(tmp_path / "img" / "tiny.tif", rgb(), transform=base @ Affine.scale(1e-6))
    scenes, rejects = read(tmp_path / "img", town(tmp_path), min_covered=0.5)
    (scene,) = scenes
    assert scene.path == "turned.tif"
    x, y = ~turned @ (base @ (160, 160))
    x0, y0, x1, y1 = box_of(scene, 8)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((x, y), abs=0.05)
    assert scene.gsd == pytest.approx(STEP * np.cos(np.radians(27.61)), rel=0.005)
    details = {r.path: (r.code, r.detail) for r in rejects if r.level == "scene"}
    assert {code for code, _ in details.values()} == {"no_georeference"}
    assert "meet at 30°" in details["sheared.tif"][1]
    assert "which no image has" in details["thin.tif"][1]
    assert "which no image has" in details["tiny.tif"][1]


def test_bands_are_chosen_by_mark_then_by_name_then_by_number(tmp_path: Path) -> None:
    import rasterio

    values = np.stack([np.full((SIZE, SIZE), v, np.uint8) for v in (10, 20, 30, 40)])
    for name, descriptions, want in (
        ("named", ("Blue", "Green", "Red", "NIR"), (30, 20, 10)),
        ("sentinel", ("B02", "B03", "B04", "B08"), (30, 20, 10)),
        ("landsat", ("SR_B4", "SR_B3", "SR_B2", "SR_B5"), (10, 20, 30)),
        ("bare", (None, None, None, None), (10, 20, 30)),
    ):
        path = geotiff(tmp_path / name / "a.tif", values)
        with rasterio.open(path, "r+") as raster:
            raster.descriptions = descriptions
            raster.colorinterp = [rasterio.enums.ColorInterp.gray] + [rasterio.enums.ColorInterp.undefined] * 3
        (scene,), _ = read(tmp_path / name, town(tmp_path))
        assert tuple(picture(scene)[0, 0]) == want, name
        if name == "named":
            assert dict(scene.attributes)["bands"] == "3 (Red), 2 (Green), 1 (Blue)"
    (scene,), _ = read(tmp_path / "bare", town(tmp_path), bands=(4, 2, 1))
    assert tuple(picture(scene)[0, 0]) == (40, 20, 10)


def test_floats_are_stretched_over_their_numbers(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0.0, 0.4, SIZE, dtype=np.float32), (3, SIZE, 1))
    ramp[:, :20] = np.nan
    geotiff(tmp_path / "img" / "a.tif", ramp)
    (scene,), _ = read(tmp_path / "img", town(tmp_path))
    row = picture(scene)[100, :, 0].astype(int)
    assert (row[0], row[-1]) == (0, 255)
    assert abs(row[SIZE // 2] - 128) < 3
    assert (picture(scene)[:20] == 0).all()


def test_bombs_and_inks_are_refused_before_a_pixel_is_read(tmp_path: Path) -> None:
    import rasterio
    from rasterio.transform import Affine

    base: dict[str, Any] = {"driver": "GTiff", "dtype": "uint8", "crs": "EPSG:3857"}
    base["transform"] = Affine(STEP, 0, X0, 0, -STEP, Y0)
    (tmp_path / "img").mkdir()
    geotiff(tmp_path / "img" / "good.tif", rgb())
    with rasterio.open(
        tmp_path / "img" / "sparse.tif", "w", width=2**30, height=2**24, count=1, sparse_ok=True, tiled=True,
        blockxsize=2**15, blockysize=2**14, **{**base, "transform": Affine(2e-3, 0, X0, 0, -2e-3, Y0)},
    ):  # fmt: skip
        pass
    with rasterio.open(
        tmp_path / "img" / "block.tif", "w", width=2**16, height=2**16, count=1, sparse_ok=True, tiled=True,
        blockxsize=2**15 + 2**14, blockysize=2**15, compress="deflate", **base,
    ):  # fmt: skip
        pass
    geotiff(tmp_path / "img" / "inks.tif", np.zeros((4, 64, 64), np.uint16), photometric="CMYK")
    geotiff(tmp_path / "img" / "radar.tif", np.zeros((1, 64, 64), np.complex64))
    scenes, rejects = read(tmp_path / "img", town(tmp_path))
    assert [s.path for s in scenes] == ["good.tif"]
    details = {r.path: (r.code, r.detail) for r in rejects if r.level == "scene"}
    assert {p: c for p, (c, _) in details.items()} == {
        "sparse.tif": "too_large",
        "block.tif": "too_large",
        "inks.tif": "unreadable_image",
        "radar.tif": "unreadable_image",
    }
    assert "TILED=YES" in details["block.tif"][1]
    assert "CMYK" in details["inks.tif"][1]


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = geotiff(tmp_path / "b.tif", rgb())
    png_with_world_file(tmp_path / "img")
    (tmp_path / "img" / "link.tif").symlink_to(outside)
    scenes, rejects = read(tmp_path / "img", town(tmp_path), crs="EPSG:3857")
    assert [s.path for s in scenes] == ["a.png"]
    assert codes(rejects) == {"unsafe_path": 1}
