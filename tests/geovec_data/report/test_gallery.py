"""Boxes in the page lie on the pixels they speak of, and the page stays within its size."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geovec_data.dataset import Dataset
from geovec_data.report.config import ReportConfig
from geovec_data.report.gallery import SIDE, Mark, Pictures, number, outline
from geovec_data.report.report import run
from tests.fixtures.handmade import COLOURS, Painting, painted


def pixels(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.removeprefix("data:image/webp;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def nearest_colour(rgb: np.ndarray) -> str:
    distance = {name: np.abs(rgb - np.array(c)).sum() for name, c in COLOURS.items()}
    best = min(distance, key=lambda n: distance[n])
    return best if distance[best] < 90 else "ground"


def test_boxes_lie_on_the_painted_rectangles(tmp_path: Path) -> None:
    """Map every rect of the page to the pixels of its picture: painted inside, ground just outside."""
    dataset = painted(tmp_path / "d")
    run(ReportConfig(dataset=dataset, scenes=9))
    html = (dataset / "report.html").read_text()
    pictures = {
        i: (int(w), int(h), pixels(uri))
        for i, w, h, uri in re.findall(r'<image id="i(\w+)" width="(\d+)" height="(\d+)"[^>]* href="([^"]+)"', html)
    }
    scenes = html[html.index('id="scenes"') : html.index('id="examples"')]
    checked = 0
    for width, height, image, marks in re.findall(
        r'viewBox="0 0 (\d+) (\d+)"[^>]*><use href="#i(\w+)"/>(.*?)</svg>', scenes
    ):
        w, h, picture = pictures[image]
        assert (w, h) == (int(width), int(height)) == (96, 64)
        scale = picture.shape[1] / w
        for x, y, bw, bh in re.findall(
            r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" class="mark', marks
        ):
            x0, y0, x1, y1 = (float(v) for v in (x, y, float(x) + float(bw), float(y) + float(bh)))
            inside = [(x0 + 3, y0 + 3), (x1 - 3, y1 - 3), (x0 + 3, y1 - 3), (x1 - 3, y0 + 3)]
            outside = [(x0 - 3, y0 - 3), (x1 + 3, y1 + 3), (x0 - 3, y1 + 3), (x1 + 3, y0 - 3)]
            names = {nearest_colour(picture[int(b * scale), int(a * scale)]) for a, b in inside}
            assert len(names) == 1
            assert "ground" not in names
            assert {nearest_colour(picture[int(b * scale), int(a * scale)]) for a, b in outside} == {"ground"}
            checked += 1
    assert checked == 18


def test_a_large_image_is_reduced_and_keeps_its_own_coordinates() -> None:
    import io as _io

    out = _io.BytesIO()
    Image.new("RGB", (4000, 3000), (10, 90, 10)).save(out, "JPEG")
    pictures = Pictures(lambda _: out.getvalue())
    svg = str(pictures.show("a" * 32, "x", [Mark((3999.125, 0.0, 4000.0, 2999.5), "query")]))
    assert 'viewBox="0 0 4000 3000"' in svg
    assert 'x="3999.125" y="0" width="0.875" height="2999.5"' in svg
    shape = pixels(pictures.held["a" * 32][0]).shape
    assert max(shape) == SIDE
    assert shape[1] / shape[0] == pytest.approx(4 / 3, rel=0.01)


def test_the_page_stops_growing_at_its_limit() -> None:
    rng = np.random.default_rng(0)

    def noise(_: str) -> bytes:
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (300, 300, 3), dtype=np.uint8)).save(out, "PNG")
        return out.getvalue()

    pictures = Pictures(noise, limit=200_000)
    shown = [str(pictures.show(f"{n:032x}", "x")) for n in range(40)]
    assert len(pictures.definitions()) < 200_000 * 1.05
    assert "picture left out" in shown[-1]
    assert "<svg" in shown[0]


def test_an_unreadable_picture_is_said() -> None:
    assert "cannot be read" in str(Pictures(lambda _: b"no image").show("a" * 32, "x"))


def test_labels_and_polygons_are_safe_and_exact() -> None:
    svg = str(outline(Mark((1.0, 2.0, 3.0, 4.0), "region", (1.0, 2.0, 3.25, 2.0, 3.0, 4.0))))
    assert 'points="1,2 3.25,2 3,4"' in svg
    assert [number(v) for v in (12345.678, -0.0004, 0.5, 100.0, 812.0)] == ["12345.678", "-0", "0.5", "100", "812"]


def test_the_pictures_come_from_the_dataset(tmp_path: Path) -> None:
    dataset = Dataset(painted(tmp_path / "d", scenes=1))
    painting = Painting("p0.png")
    image = dataset.read("images", ["id"]).column("id")[0].as_py()
    pictures = Pictures(dataset.images.get)
    pictures.show(image, "x")
    assert pictures.held[image][1:] == painting.size
