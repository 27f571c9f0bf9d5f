from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geovec_data.rasters.file import header, opened, readable
from geovec_data.rasters.formats import Unreadable
from geovec_data.rasters.grid import Window
from geovec_data.rasters.windows import picture, png, read_window, stretch
from tests.fixtures.osm import geotiff, pixels, png_with_world_file, tif_with_sidecar


def shown(path: Path, cut: tuple[int, int, int, int], bands: tuple[int, ...] | None = None, by: int = 1) -> np.ndarray:
    with opened(path) as raster:
        head = header(raster, bands)
        limits = None if head.eight_bit else stretch(raster, head.bands)
        window = Window(cut, cut[2] // by, cut[3] // by)
        return np.asarray(Image.open(io.BytesIO(png(picture(read_window(raster, window, head.bands, limits))))))


def test_a_window_holds_the_rasters_own_pixels(tmp_path: Path) -> None:
    data = np.moveaxis(pixels(300), -1, 0)
    path = geotiff(tmp_path / "a.tif", data)
    np.testing.assert_array_equal(np.moveaxis(shown(path, (37, 91, 64, 48)), -1, 0), data[:, 91:139, 37:101])


def test_four_bands_show_three_and_bands_can_be_chosen(tmp_path: Path) -> None:
    data = np.stack([np.full((32, 32), v, np.uint8) for v in (10, 20, 30, 40)])
    path = geotiff(tmp_path / "a.tif", data, photometric="RGB")
    assert shown(path, (0, 0, 8, 8))[0, 0].tolist() == [10, 20, 30]
    assert shown(path, (0, 0, 8, 8), (3, 2, 1))[0, 0].tolist() == [30, 20, 10]
    assert shown(path, (0, 0, 8, 8), (4,))[0, 0] == 40
    with opened(path) as raster, pytest.raises(Unreadable, match="it has 4 bands"):
        header(raster, (5,))


def test_sixteen_bits_are_stretched_alike_in_all_windows(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(1000, 3000, 256).astype(np.uint16), (256, 1))[None]
    path = geotiff(tmp_path / "a.tif", ramp)
    left, right = shown(path, (0, 0, 128, 256)), shown(path, (128, 0, 128, 256))
    assert left.dtype == np.uint8
    assert left.shape == (256, 128)
    row = np.concatenate([left[0], right[0]]).astype(int)
    assert (np.diff(row) >= 0).all()
    assert row[0] == 0
    assert row[-1] == 255
    assert abs(row[128] - row[127]) <= 2  # no seam between the windows
    assert row[128] == pytest.approx(128, abs=3)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    import rasterio

    path = geotiff(tmp_path / "a.tif", np.array([[[0, 1], [2, 2]]], np.uint8), photometric="palette")
    with rasterio.open(path, "r+") as raster:
        raster.write_colormap(1, {0: (255, 0, 0, 255), 1: (0, 255, 0, 255), 2: (0, 0, 255, 255)})
    assert shown(path, (0, 0, 2, 2), by=2).tolist() == [[[0, 0, 255]]]
    assert shown(path, (0, 0, 2, 2)).tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 0, 255]]]


def test_what_viewers_show_stays_as_it_is(tmp_path: Path) -> None:
    for path, as_is in [
        (png_with_world_file(tmp_path), True),
        (tif_with_sidecar(tmp_path), True),  # a JPEG, whatever its name says
        (geotiff(tmp_path / "c.tif", np.moveaxis(pixels(32), -1, 0)), False),
    ]:
        with opened(path) as raster:
            assert header(raster).as_is is as_is


def test_only_images_are_opened_whatever_their_name(tmp_path: Path) -> None:
    real = geotiff(tmp_path / "a.tif", np.moveaxis(pixels(32), -1, 0))
    vrt = tmp_path / "b.tif"
    vrt.write_text(
        f'<VRTDataset rasterXSize="32" rasterYSize="32"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{real}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(Unreadable, match=r"b\.tif is not a TIFF"), opened(vrt):
        pass
    with pytest.raises(Unreadable, match="cannot be opened"), opened(tmp_path / "none.tif"):
        pass
    real.write_bytes(real.read_bytes()[:100])
    with pytest.raises(Unreadable, match=r"a\.tif cannot be read"), opened(real):
        pass


def test_paths_with_odd_letters_open(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "it's (a) = ~b #1!" / "x y.tif", np.moveaxis(pixels(32), -1, 0))
    assert shown(path, (0, 0, 32, 32)).shape == (32, 32, 3)


def test_what_gdal_says_of_broken_tags_is_told_as_unreadable() -> None:
    from rasterio._err import CPLE_AppDefinedError

    with pytest.raises(Unreadable, match="Key GeogCitationGeoKey has offset=22"), readable("a.tif"):
        raise CPLE_AppDefinedError(3, 1, "Key GeogCitationGeoKey has offset=22")


def test_what_is_decoded_is_kept_for_the_next_window(tmp_path: Path) -> None:
    from rasterio._env import get_gdal_config

    path = geotiff(tmp_path / "a.tif", np.zeros((1, 8, 8), np.uint8))
    with opened(path):
        assert get_gdal_config("GDAL_CACHEMAX") == 64 * 2**20
