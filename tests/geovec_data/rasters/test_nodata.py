"""Where a raster holds no data: nothing there is seen, and an image of nothing else is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fixtures.osm import SIZE, geotiff, png_with_world_file, vrt
from tests.geovec_data.rasters.reading import codes, read, rgb, town


def test_things_where_a_chip_holds_no_data_are_not_seen(tmp_path: Path) -> None:
    data = rgb().clip(1)
    data[:, :96, :] = 0  # all above the school's lower edge but for a few rows
    geotiff(tmp_path / "img" / "a.tif", data, nodata=0)
    scenes, rejects = read(tmp_path / "img", town(tmp_path))
    assert not codes(rejects)
    (scene,) = scenes
    assert sorted(r.osm_id for r in scene.regions if r.osm_id) == [2, 6, 8]
    _, rejects = read(tmp_path / "img", town(tmp_path), min_data=0.6)
    assert [r.detail for r in rejects if r.code == "no_data"] == ["52% of it holds data, min_data=0.6"]


@pytest.mark.parametrize("kind", ["nodata", "alpha", "nan"])
def test_a_raster_without_any_data_is_told(kind: str, tmp_path: Path) -> None:
    data = np.zeros((4 if kind == "alpha" else 3, SIZE, SIZE), np.uint8)
    if kind == "nan":
        geotiff(tmp_path / "img" / "a.tif", np.full((1, SIZE, SIZE), np.nan, np.float32))
    elif kind == "alpha":
        geotiff(tmp_path / "img" / "a.tif", data, photometric="RGB", ALPHA="YES")
    else:
        geotiff(tmp_path / "img" / "a.tif", data, nodata=0)
    scenes, rejects = read(tmp_path / "img", town(tmp_path))
    assert not scenes
    assert [(r.code, r.detail) for r in rejects if r.level == "scene"] == [("no_data", "none of its pixels holds data")]


def lower_half(kind: str = "uint8") -> np.ndarray[Any, Any]:
    """All above the school's lower edge but for a few rows holds no data."""
    valid = np.full((1, SIZE, SIZE), 255, kind)
    valid[:, :96] = 0
    return valid


def masked(folder: Path, where: str) -> Path:
    """The image of the town with a mask inside of the file, or beside it in 8 bits or 1."""
    import rasterio

    if where == "inside":
        path = geotiff(folder / "a.tif", rgb())
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as raster:
            raster.write_mask(lower_half()[0])
    elif where == "png":
        path = png_with_world_file(folder)
        geotiff(folder / "mask.tif", lower_half()).rename(folder / "a.png.msk")
    else:
        path = geotiff(folder / "a.tif", rgb())
        bits: dict[str, Any] = {"nbits": 1} if where == "one bit" else {}
        geotiff(folder / "mask.tif", lower_half().clip(0, 1) if bits else lower_half(), **bits).rename(f"{path}.msk")
    return path


@pytest.mark.parametrize("where", ["inside", "beside", "one bit", "png"])
@pytest.mark.parametrize("gsd", [None, 0.9])
def test_a_mask_in_the_file_or_beside_it_is_heeded(where: str, gsd: float | None, tmp_path: Path) -> None:
    masked(tmp_path / "img", where)
    (scene,), rejects = read(tmp_path / "img", town(tmp_path), crs="EPSG:3857", gsd=gsd)
    assert not codes(rejects)
    coarse = [] if gsd is None else [8]  # the square: not told from a distance
    assert sorted([r.osm_id for r in scene.regions if r.osm_id] + coarse) == [2, 6, 8]
    _, rejects = read(tmp_path / "img", town(tmp_path), crs="EPSG:3857", gsd=gsd, min_data=0.6)
    assert [r.detail for r in rejects if r.code == "no_data"] == ["52% of it holds data, min_data=0.6"]


def test_gdal_writes_masks_beside_rasters_as_they_are_read_here(tmp_path: Path) -> None:
    import rasterio

    path = geotiff(tmp_path / "img" / "a.tif", rgb())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as raster:
        raster.write_mask(lower_half()[0])
    assert path.with_name("a.tif.msk").is_file()
    (scene,), _ = read(tmp_path / "img", town(tmp_path))
    assert sorted(r.osm_id for r in scene.regions if r.osm_id) == [2, 6, 8]


def test_a_mask_that_does_not_fit_is_no_image_nor_opened_for_its_name(tmp_path: Path) -> None:
    for name in ("small", "xml", "out"):
        geotiff(tmp_path / "img" / f"{name}.tif", rgb())
    geotiff(tmp_path / "m.tif", lower_half()[:, :50]).rename(tmp_path / "img" / "small.tif.msk")
    vrt(tmp_path / "img" / "xml.tif.msk", [["small.tif"]], SIZE)
    (tmp_path / "img" / "out.tif.msk").symlink_to(geotiff(tmp_path / "out.tif", lower_half()))
    geotiff(tmp_path / "img" / "good.tif", rgb())
    scenes, rejects = read(tmp_path / "img", town(tmp_path))
    assert [s.path for s in scenes] == ["good.tif"]
    details = {r.path: (r.code, r.detail) for r in rejects if r.level == "scene"}
    assert details["small.tif"] == ("unreadable_image", "its mask small.tif.msk has 200×50 pixels, it has 200×200")
    assert details["xml.tif"][1] == "xml.tif.msk is not a TIFF, JPEG, PNG or JPEG 2000 file"
    assert details["out.tif"][0] == "unsafe_path"


def test_overviews_beside_a_raster_change_nothing(tmp_path: Path) -> None:
    geotiff(tmp_path / "img" / "a.tif", rgb())
    labels = town(tmp_path)
    plain = read(tmp_path / "img", labels, gsd=0.9)
    geotiff(tmp_path / "o.tif", np.zeros((3, SIZE // 2, SIZE // 2), np.uint8)).rename(tmp_path / "img" / "a.tif.ovr")
    assert read(tmp_path / "img", labels, gsd=0.9) == plain
    (tmp_path / "img" / "a.tif.ovr").write_bytes(b"no raster at all")
    assert read(tmp_path / "img", labels, gsd=0.9) == plain


def test_a_vrt_whose_source_has_its_mask_beside_it_is_told(tmp_path: Path) -> None:
    masked(tmp_path / "img", "beside")
    geotiff(tmp_path / "img" / "good.tif", rgb())
    vrt(tmp_path / "img" / "m.vrt", [["a.tif"]], SIZE)
    scenes, rejects = read(tmp_path / "img", town(tmp_path))
    assert "good.tif" in {s.path for s in scenes}
    details = {r.path: r.detail for r in rejects if r.level == "scene"}
    assert "the mask of its source a.tif lies beside that in a.tif.msk" in details["m.vrt"]
