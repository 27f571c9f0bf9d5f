from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from geovec_data.build.checks import CheckOptions, check
from geovec_data.build.chips import ChipOptions, cut, windows
from geovec_data.records import Region, Reject, Scene
from tests.fixtures.photo import photo

PIXELS = photo(np.random.default_rng(3), 150, 100)


def big(**more: Any) -> Scene:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    return Scene(key="a b/x.png", corpus="c", path="a b/x.png", data=buffer.getvalue(), **more)


def run(
    scene: Scene, root: Path = Path(), min_visible: float = 0.3, **options: Any
) -> tuple[list[Scene], list[Reject]]:
    out = list(cut(scene, root, ChipOptions(**options), CheckOptions(min_visible=min_visible)))
    return [s for s in out if isinstance(s, Scene)], [r for r in out if isinstance(r, Reject)]


def region(*box: float, **more: Any) -> Region:
    return Region(box=box, category="tree", **more)  # type: ignore[arg-type]


def pixels(scene: Scene) -> Any:
    assert scene.data is not None
    return np.asarray(Image.open(io.BytesIO(scene.data)))


sides = st.integers(1, 700)


@given(sides, sides, st.integers(16, 300), st.integers(0, 15), st.sampled_from(["keep", "shift"]))
def test_windows_cover_every_pixel_inside_the_image(w: int, h: int, size: int, overlap: int, edge: Any) -> None:
    found = windows(w, h, ChipOptions(size=size, overlap=overlap, edge=edge, min_edge=0))
    seen = np.zeros((h, w), dtype=int)
    for x0, y0, x1, y1 in found:
        assert 0 <= x0 < x1 <= w
        assert 0 <= y0 < y1 <= h
        assert x1 - x0 <= size
        assert y1 - y0 <= size
        if edge == "shift":
            assert (x1 - x0, y1 - y0) == (min(size, w), min(size, h))
        seen[y0:y1, x0:x1] += 1
    assert seen.min() == 1
    assert len(set(found)) == len(found)
    if edge == "keep" and overlap == 0:
        assert seen.max() == 1


def test_edge_rules() -> None:
    def spans(**more: Any) -> list[tuple[int, int]]:
        return [(x0, x1) for x0, _, x1, _ in windows(600, 100, ChipOptions(size=256, **more))]

    full = [(0, 256), (256, 512)]
    assert spans() == full  # 88 px are under half a chip
    assert spans(min_edge=0.3) == [*full, (512, 600)]
    assert spans(edge="shift") == [*full, (344, 600)]
    assert spans(edge="drop", min_edge=0) == full
    assert spans(overlap=56) == [(0, 256), (200, 456), (400, 600)]
    with pytest.raises(ValidationError, match="overlap=256 must be smaller than size=256"):
        ChipOptions(size=256, overlap=256)


def test_chips_are_lossless_named_by_their_window_and_equal_every_time() -> None:
    chips, rejects = run(big(split="val", licence="CC0", attribution="me", captured="2019", gsd=0.1), size=64)
    assert not rejects
    assert [c.key for c in chips] == [
        "a b/x.png#0,0,64,64",
        "a b/x.png#64,0,128,64",
        "a b/x.png#0,64,64,100",
        "a b/x.png#64,64,128,100",
    ]
    for chip in chips:
        assert chip.window is not None
        x0, y0, x1, y1 = map(int, chip.window)
        assert np.array_equal(pixels(chip), PIXELS[y0:y1, x0:x1])
        assert (chip.width, chip.height, chip.parent, chip.path) == (x1 - x0, y1 - y0, "a b/x.png", "a b/x.png")
        assert (chip.split, chip.licence, chip.attribution, chip.captured, chip.gsd) == (
            "val",
            "CC0",
            "me",
            "2019",
            0.1,
        )
        assert check(chip, Path(), CheckOptions())[1] == []
    assert [c.data for c in run(big(split="val"), size=64)[0]] == [c.data for c in chips]


def test_boxes_move_with_their_pixels() -> None:
    inside, across = region(70, 10, 90, 30), region(60, 40, 70, 50)
    chips, rejects = run(big(regions=(inside, across)), size=64)
    assert not rejects
    left, right = chips[:2]
    assert [(r.box, r.visible) for r in left.regions] == [((60.0, 40.0, 64.0, 50.0), 0.4)]
    assert [(r.box, r.visible) for r in right.regions] == [
        ((6.0, 10.0, 26.0, 30.0), 1.0),
        ((0.0, 40.0, 6.0, 50.0), 0.6),
    ]
    x0, y0, x1, y1 = (int(v) for v in right.regions[0].box)
    assert np.array_equal(pixels(right)[y0:y1, x0:x1], PIXELS[10:30, 70:90])


def test_polygons_move_unclipped_and_the_checks_agree_with_the_cut() -> None:
    diamond = (64.0, 20.0, 84.0, 40.0, 64.0, 60.0, 44.0, 40.0)
    chips, _ = run(big(regions=(region(44, 20, 84, 60, polygon=diamond),)), size=64)
    (left,), (right,) = chips[0].regions, chips[1].regions
    assert left.polygon == diamond
    assert right.polygon == (0.0, 20.0, 20.0, 40.0, 0.0, 60.0, -20.0, 40.0)
    assert (left.box, right.box) == ((44.0, 20.0, 64.0, 60.0), (0.0, 20.0, 20.0, 60.0))
    for chip in chips[:2]:
        checked, rejects = check(chip, Path(), CheckOptions())
        assert checked is not None
        assert not rejects
        assert checked.regions == chip.regions
        assert checked.regions[0].visible == pytest.approx(0.5)


def test_only_what_is_in_no_chip_at_all_is_a_loss() -> None:
    corner = region(54, 54, 74, 74)  # a quarter in each of four chips
    sliver = region(40, 10, 65, 20)  # 24/25 left, 1/25 right
    beyond = region(130, 10, 140, 20)  # in the strip that is dropped
    outside = region(200, 10, 210, 20)
    chips, rejects = run(big(regions=(corner, sliver, beyond, outside)), size=64)
    assert [len(c.regions) for c in chips] == [1, 0, 0, 0]
    assert [(r.level, r.code, r.path) for r in rejects] == [
        ("region", "outside_image", "a b/x.png"),
        ("region", "low_visibility", "a b/x.png"),
        ("region", "low_visibility", "a b/x.png"),
    ]
    assert "0.250 visible" in rejects[1].detail
    assert "0.000 visible" in rejects[2].detail
    chips, rejects = run(big(regions=(corner,)), size=64, min_visible=0.2)
    assert [len(c.regions) for c in chips] == [1, 1, 1, 1]
    assert not rejects


def test_a_region_cut_by_the_image_itself_is_measured_against_the_whole_object() -> None:
    chips, rejects = run(big(regions=(region(-10, 0, 10, 10), region(-30, 50, 10, 60))), size=64)
    assert [r.visible for r in chips[0].regions] == [0.5]
    assert [r.code for r in rejects] == ["low_visibility"]
    across = region(54, -20, 74, 20)  # half above the image, a quarter of it in each chip
    chips, rejects = run(big(regions=(across,)), size=64)
    assert not any(c.regions for c in chips)
    assert "0.250 visible" in rejects[0].detail


def test_texts_about_the_whole_image_do_not_go_to_its_chips() -> None:
    scene = big(
        captions=("two trees",),
        scene_class="forest",
        synthetic=("captions",),
        regions=(region(0, 0, 9, 9, expressions=("the upper tree",)),),
    )
    chips, rejects = run(scene, size=64)
    assert all((c.captions, c.scene_class, c.synthetic) == ((), None, ()) for c in chips)
    assert chips[0].regions[0].expressions == ()
    assert [(r.level, r.code) for r in rejects] == [("text", "whole_image_text")] * 3


def test_an_image_no_larger_than_a_chip_stays_as_it_is(tmp_path: Path) -> None:
    scene = big(captions=("a",), regions=(region(-5, 0, 5, 5),))
    assert run(scene, size=150) == ([scene], [])
    (tmp_path / "a b").mkdir()
    assert scene.data is not None
    (tmp_path / "a b" / "x.png").write_bytes(scene.data)
    assert run(replace(scene, data=None), tmp_path, size=150) == ([scene], [])
    chips, _ = run(scene, size=120, min_edge=0)
    assert [c.window for c in chips] == [(0, 0, 120, 100), (120, 0, 150, 100)]


def test_the_position_moves_with_the_window() -> None:
    scene = big(crs="EPSG:32617", transform=(0.1, 0.0, 404211.9, 0.0, -0.1, 3285142.9), lon=-81.99, lat=29.69, gsd=0.1)
    chips, _ = run(scene, size=64)
    last = chips[3]
    assert last.transform == pytest.approx((0.1, 0.0, 404218.3, 0.0, -0.1, 3285136.5))
    # the ground does not move: neighbours share corners
    assert chips[0].footprint[4:6] == pytest.approx(last.footprint[:2], abs=1e-9)
    assert last.lon == pytest.approx(sum(last.footprint[::2]) / 4, abs=1e-6)
    assert last.lat == pytest.approx(sum(last.footprint[1::2]) / 4, abs=1e-6)
    bare, _ = run(big(lon=1.0, lat=2.0), size=64)
    assert (bare[0].lon, bare[0].lat, bare[0].footprint) == (None, None, ())


@pytest.mark.parametrize(
    ("scene", "code"),
    [
        (replace(big(), data=b"nothing"), "unreadable_image"),
        (replace(big(), data=(big().data or b"")[:9000]), "truncated_image"),
        (big(width=100, height=150), "size_mismatch"),
        (replace(big(), data=None), "missing_image"),
    ],
)
def test_a_bad_image_is_one_reject(scene: Scene, code: str, tmp_path: Path) -> None:
    chips, rejects = run(scene, tmp_path, size=64)
    assert not chips
    assert [(r.level, r.code, r.path) for r in rejects] == [("scene", code, "a b/x.png")]


@pytest.mark.parametrize(
    ("mode", "expected"), [("P", "RGB"), ("RGBA", "RGB"), ("L", "L"), ("1", "L"), ("I;16", "L"), ("CMYK", "RGB")]
)
def test_chips_are_8_bit_grey_or_colour(mode: str, expected: str) -> None:
    gray = PIXELS[..., 1]
    image = Image.fromarray(gray.astype(np.uint16) * 9) if mode == "I;16" else Image.fromarray(PIXELS).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF")
    chips, rejects = run(replace(big(), data=buffer.getvalue()), size=64)
    assert not rejects
    assert {Image.open(io.BytesIO(c.data or b"")).mode for c in chips} == {expected}


def test_a_chip_names_the_categories_of_which_it_shows_too_little() -> None:
    pool = Region(box=(20, 20, 50, 50), category="pool")
    regions = (region(60, 10, 66, 30), region(10, 10, 30, 30), pool, Region(box=(95, 40, 130, 60), category="pool"))
    chips, _ = run(big(regions=regions), size=64, min_visible=0.5)
    left, middle, *_ = chips
    assert {r.category for r in left.regions} == {"tree", "pool"}
    assert left.attributes == ()
    assert [r.category for r in middle.regions] == ["pool"]
    assert middle.attributes == (("partly shown", "tree"),)
    lost = run(big(regions=(pool, Region(box=(60, 20, 65, 22), category="tree"))), size=64, min_visible=0.9)[0][0]
    assert lost.attributes == (("partly shown", "tree"),)
