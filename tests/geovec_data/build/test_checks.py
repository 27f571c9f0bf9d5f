from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from geovec_data import ids
from geovec_data.build.checks import CheckOptions, check
from geovec_data.records import Region
from tests.fixtures.scenes import OPTIONS, codes, encoded, refused, scene


def region(*box: float, **more: Any) -> Region:
    return Region(box=box, category=more.pop("category", "ship"), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000"])
def test_a_good_scene_gets_what_only_its_pixels_tell(kind: str, tmp_path: Path) -> None:
    data = encoded(kind)
    (tmp_path / "a.jpg").write_bytes(data)
    out, rejects = check(replace(scene(), data=None, width=90, height=70), tmp_path, OPTIONS)
    assert out is not None
    assert not rejects
    assert (out.data, out.image_id, out.format, out.width, out.height) == (data, ids.image_id(data), kind, 90, 70)
    assert len(out.phash) == 16


def test_a_size_that_the_annotation_misstates() -> None:
    code, detail = refused(scene(width=70, height=90))
    assert code == "size_mismatch"
    assert "70×90" in detail
    assert "90×70" in detail
    assert check(scene(width=90), Path(), OPTIONS)[0] is not None


@pytest.mark.parametrize(
    "position",
    [
        {"lon": math.nan, "lat": 1.0},
        {"lon": 181.0, "lat": 1.0},
        {"lon": 1.0, "lat": -90.5},
        {"lon": 1.0},
        {"footprint": (0.0, 0.0, 1.0, math.inf, 1.0, 1.0)},
        {"crs": "EPSG:4326", "transform": (1.0, 0.0, math.nan, 0.0, 1.0, 0.0)},
    ],
)
def test_positions_that_are_nowhere_on_earth(position: dict[str, Any]) -> None:
    assert refused(scene(**position))[0] == "bad_coordinate"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (region(0, 0, math.nan, 5), "bad_coordinate"),
        (region(0, 0, 9, 5, polygon=(0.0, 0.0, math.inf, 0.0, 5.0, 5.0)), "bad_coordinate"),
        (region(0, 0, 9, 5, lon=200.0, lat=0.0), "bad_coordinate"),
        (region(9, 0, 5, 5), "inverted_box"),
        (region(5, 0, 5, 5), "empty_box"),
        (region(-30, 0, -1, 5), "outside_image"),
        (region(90, 0, 95, 5), "outside_image"),
        (region(0, -8, 5, 2), "low_visibility"),
        (region(0, 0, 0.5, 5), "too_small"),
        (region(0, 0, 9, 5, category=" "), "empty_text"),
        (region(0, 0, 9, 5, polygon=(0.0, 0.0, 5.0)), "bad_annotation"),
        (region(10, 10, 20, 20), "duplicate_region"),
    ],
)
def test_a_bad_region_loses_itself_only(bad: Region, code: str) -> None:
    good = region(10, 10, 20, 20)
    out, rejects = check(scene(regions=(good, bad)), Path(), OPTIONS)
    assert out is not None
    assert out.regions == (good,)
    assert codes(rejects) == [("region", code)]
    assert "region 1" in rejects[0].detail


def test_regions_across_the_border_are_clipped_and_their_visible_share_recorded() -> None:
    box = region(-5, 10, 5, 20)
    turned = region(80, 60, 100, 80, polygon=(90.0, 60.0, 100.0, 70.0, 90.0, 80.0, 80.0, 70.0))
    earlier = region(0, 30, 10, 40, visible=0.4)
    out, rejects = check(scene(regions=(box, turned, earlier)), Path(), CheckOptions(min_visible=0.2))
    assert out is not None
    assert not rejects
    a, b, c = out.regions
    assert (a.box, a.visible) == ((0.0, 10.0, 5.0, 20.0), 0.5)
    assert (b.box, b.visible, b.polygon) == ((80.0, 60.0, 90.0, 70.0), pytest.approx(0.25), turned.polygon)
    assert c == earlier
    _, rejects = check(scene(regions=(box, turned, earlier)), Path(), CheckOptions(min_visible=0.45))
    assert codes(rejects) == [("region", "low_visibility")] * 2


def test_a_repeated_region_hands_its_new_expressions_to_the_first_of_its_split() -> None:
    first = region(10, 10, 20, 20, expressions=("the ship",), split="train")
    same = replace(first, expressions=("The  ship!", "the white ship"))
    other = replace(first, expressions=("a boat",), split="test")
    out, rejects = check(scene(regions=(first, same, other)), Path(), OPTIONS)
    assert out is not None
    assert [r.expressions for r in out.regions] == [("the ship", "the white ship")]
    assert codes(rejects) == [("region", "duplicate_region")] * 2
    assert "a boat" in rejects[1].detail


def test_texts_without_a_word_or_said_before_are_dropped_and_counted() -> None:
    spoken = region(1, 1, 9, 9, expressions=("the left ship", "", "The left ship."))
    texts = ("A pond.", " ... ", "a pond", "Many trees", "")
    out, rejects = check(scene(captions=texts, regions=(spoken,), scene_class=" "), Path(), OPTIONS)
    assert out is not None
    assert out.captions == ("A pond.", "Many trees")
    assert out.regions[0].expressions == ("the left ship",)
    assert out.scene_class is None
    assert sorted(codes(rejects)) == [("text", "duplicate_text")] * 2 + [("text", "empty_text")] * 4


def test_a_scene_may_end_with_nothing_to_say() -> None:
    out, rejects = check(scene(captions=("",), regions=(region(5, 5, 5, 5),)), Path(), OPTIONS)
    assert out is not None
    assert (out.captions, out.regions) == ((), ())
    assert len(rejects) == 2
