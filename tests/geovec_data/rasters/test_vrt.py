from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest

from geovec_data.rasters.file import header, opened
from geovec_data.rasters.formats import Unreadable
from geovec_data.rasters.grid import Window
from geovec_data.rasters.vrt import safe_vrt
from geovec_data.rasters.windows import read_window
from tests.fixtures.osm import geotiff, pixels, vrt

SIDE = 32


def band(source: str) -> str:
    return f'<VRTRasterBand dataType="Byte" band="1">{source}</VRTRasterBand>'


def simple(name: str, relative: int = 1) -> str:
    said = f'<SourceFilename relativeToVRT="{relative}">{escape(name)}</SourceFilename>'
    return f"<SimpleSource>{said}<SourceBand>1</SourceBand></SimpleSource>"


def written(path: Path, content: str, attributes: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}" {attributes}>{content}</VRTDataset>')
    return path


def test_a_mosaic_holds_the_pixels_of_its_sources(tmp_path: Path) -> None:
    left, right = (np.moveaxis(pixels(SIDE, seed=s), -1, 0) for s in (1, 2))
    geotiff(tmp_path / "it's <a> & b" / "a.tif", left)
    geotiff(tmp_path / "b.tif", right)
    path = vrt(tmp_path / "deep" / "m.vrt", [["../it's <a> & b/a.tif", "../b.tif"]], SIDE)
    assert safe_vrt(path, tmp_path).sources == ("it's <a> & b/a.tif", "b.tif")
    with opened(path, tmp_path) as raster:
        head = header(raster)
        assert (head.embedded.width, head.embedded.height, head.bands) == (2 * SIDE, SIDE, (1, 2, 3))
        found = read_window(raster, Window((SIDE // 2, 0, SIDE, SIDE), SIDE, SIDE), head.bands, None)
    half = SIDE // 2
    np.testing.assert_array_equal(found, np.concatenate([left[:, :, half:], right[:, :, :half]], axis=2))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (band(simple("/vsicurl/http://example.org/a.tif")), "does not lie in"),
        (band(simple("/vsicurl/http://example.org/a.tif", 0)), "does not lie in"),
        (band(simple("http://example.org/a.tif", 0)), "does not exist"),
        (band(simple("../outside.tif")), "does not lie in"),
        (band(simple("/etc/passwd", 0)), "does not lie in"),
        (band(simple("link.tif")), "does not lie in"),
        (band(simple("none.tif")), "does not exist"),
        (band(simple("notes.txt")), "not a TIFF"),
        (band(simple("inner.vrt")), "not a TIFF"),
        (band(simple("")), "without a name"),
        (band("<SimpleSource><SourceFilename>a.tif</SourceFilename><OpenOptions/></SimpleSource>"), "<OpenOptions>"),
        (
            '<VRTRasterBand dataType="Byte" band="1" subClass="VRTDerivedRasterBand"><PixelFunctionType>x.y'
            "</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage></VRTRasterBand>",
            "kind VRTDerivedRasterBand",
        ),
        (
            '<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand"><SourceFilename>/etc/passwd'
            "</SourceFilename></VRTRasterBand>",
            "kind VRTRawRasterBand",
        ),
        (band("<PixelFunctionCode>import os</PixelFunctionCode>"), "<PixelFunctionCode> in <VRTRasterBand>"),
        (band("<KernelFilteredSource/>"), "<KernelFilteredSource>"),
        ("<Group/>", "<Group> in <VRTDataset>"),
        ("<VRTRasterBand", "not well-formed"),
    ],
)
def test_what_is_no_mosaic_of_the_folders_own_images_is_refused(content: str, fault: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    outside = geotiff(tmp_path / "outside.tif", np.zeros((1, SIDE, SIDE), np.uint8))
    root.mkdir()
    (root / "link.tif").symlink_to(outside)
    (root / "notes.txt").write_text("x")
    written(root / "inner.vrt", "")
    with pytest.raises(Unreadable, match=fault):
        safe_vrt(written(root / "a.vrt", content), root)


def test_kinds_of_dataset_that_compute_are_refused(tmp_path: Path) -> None:
    for kind in ("VRTWarpedDataset", "VRTPansharpenedDataset", "VRTProcessedDataset"):
        with pytest.raises(Unreadable, match=f"kind {kind}"):
            safe_vrt(written(tmp_path / f"{kind}.vrt", "", f'subClass="{kind}"'), tmp_path)


def test_an_entity_is_not_expanded(tmp_path: Path) -> None:
    path = tmp_path / "a.vrt"
    path.write_text('<!DOCTYPE x [<!ENTITY e SYSTEM "/etc/passwd">]><VRTDataset>&e;</VRTDataset>')
    with pytest.raises(Unreadable, match="not well-formed"):
        safe_vrt(path, tmp_path)


def test_a_vrt_is_opened_only_where_a_root_is_given_and_by_its_own_name(tmp_path: Path) -> None:
    geotiff(tmp_path / "a.tif", np.zeros((3, SIDE, SIDE), np.uint8))
    path = vrt(tmp_path / "m.vrt", [["a.tif"]], SIDE)
    with pytest.raises(Unreadable, match="is not a TIFF"), opened(path):
        pass
    with pytest.raises(Unreadable, match="is not a TIFF"), opened(path.rename(tmp_path / "m.tif"), tmp_path):
        pass
