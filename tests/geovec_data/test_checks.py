from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from geovec_data import ids
from geovec_data.checks import CODES, CheckOptions, check
from geovec_data.records import Region, Reject, Scene
from tests.fixtures.photo import photo

OPTIONS = CheckOptions()


def encoded(kind: str = "JPEG", width: int = 90, height: int = 70, mode: str = "RGB", **save: Any) -> bytes:
    image = Image.fromarray(photo(np.random.default_rng(5), width, height)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **save)
    return buffer.getvalue()


def scene(data: bytes | None = None, **more: Any) -> Scene:
    return Scene(key="a.jpg", corpus="c", path="a.jpg", data=encoded() if data is None else data, **more)


def region(*box: float, **more: Any) -> Region:
    return Region(box=box, category=more.pop("category", "ship"), **more)  # type: ignore[arg-type]


def codes(rejects: list[Reject]) -> list[tuple[str, str]]:
    assert all(r.code in CODES and r.stage == "check" and r.path == "a.jpg" and r.detail for r in rejects)
    return [(r.level, r.code) for r in rejects]


def refused(bad: Scene, root: Path = Path(), options: CheckOptions = OPTIONS) -> tuple[str, str]:
    out, rejects = check(bad, root, options)
    assert out is None
    assert [r.level for r in rejects] == ["scene"]
    codes(rejects)
    return rejects[0].code, rejects[0].detail


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000"])
def test_a_good_scene_gets_what_only_its_pixels_tell(kind: str, tmp_path: Path) -> None:
    data = encoded(kind)
    (tmp_path / "a.jpg").write_bytes(data)
    out, rejects = check(replace(scene(), data=None, width=90, height=70), tmp_path, OPTIONS)
    assert out is not None
    assert not rejects
    assert (out.data, out.image_id, out.format, out.width, out.height) == (data, ids.image_id(data), kind, 90, 70)
    assert len(out.phash) == 16


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16", "F", "YCbCr"])
def test_unusual_pixel_types_are_hashed_like_their_picture(mode: str) -> None:
    gray = photo(np.random.default_rng(5), 90, 70)[..., 1]
    if mode == "I;16":
        image = Image.fromarray(gray.astype(np.uint16) * 200)
    elif mode == "F":
        image = Image.fromarray(gray.astype(np.float32) / 7 - 3)
    else:
        image = Image.fromarray(gray).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF")
    out, rejects = check(scene(buffer.getvalue()), Path(), OPTIONS)
    plain, _ = check(scene(encoded("PNG", mode="L")), Path(), OPTIONS)
    assert out is not None
    assert plain is not None
    assert not rejects
    assert (int(out.phash, 16) ^ int(plain.phash, 16)).bit_count() <= 12


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_anywhere_in_its_pixels_is_refused_though_decoded_at_reduced_size(progressive: bool) -> None:
    data = encoded(width=800, height=640, quality=85, progressive=progressive)
    for share in (0.3, 0.6, 0.9, 0.99):
        code, _ = refused(scene(data[: int(len(data) * share)]))
        assert code == "truncated_image"


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG2000", "GIF"])
def test_other_formats_cut_short_are_refused(kind: str) -> None:
    data = encoded(kind)
    for share in (0.02, 0.5, 0.9):
        code, _ = refused(scene(data[: int(len(data) * share)]))
        assert code in ("truncated_image", "unreadable_image")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "TIFF", "GIF"]), st.integers(0, 2**32), st.integers(1, 12), st.booleans())
def test_damaged_files_become_rejects_or_pass_but_never_raise(kind: str, seed: int, hits: int, header: bool) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(encoded(kind, 40, 30))
    for _ in range(hits):
        data[int(rng.integers(64 if header else len(data)))] = int(rng.integers(256))
    out, rejects = check(scene(bytes(data)), Path(), replace_pixels(2**20))
    assert (out is None) == (len(rejects) == 1)
    assert out is not None or rejects[0].level == "scene"


def replace_pixels(limit: int) -> CheckOptions:
    return CheckOptions(max_pixels=limit)


def test_a_reason_never_differs_from_run_to_run() -> None:
    reasons = {refused(scene(b"no image at all")) for _ in range(3)}
    assert len(reasons) == 1
    assert "0x" not in reasons.pop()[1]


def test_a_decompression_bomb_is_refused_from_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = io.BytesIO()
    Image.new("1", (30000, 30000)).save(bomb, "PNG")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda self: pytest.fail("was decoded"))
    code, detail = refused(scene(bomb.getvalue()))
    assert code == "too_large"
    assert "30000×30000" in detail
    assert Image.MAX_IMAGE_PIXELS == 89478485  # Pillow's own guard is back


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    lazy = replace(scene(), data=None)
    assert refused(lazy, tmp_path)[0] == "missing_image"
    (tmp_path / "a.jpg").mkdir()
    assert refused(lazy, tmp_path)[0] == "unreadable_image"
    (tmp_path / "a.jpg").rmdir()
    (tmp_path / "a.jpg").write_bytes(b"")
    assert refused(lazy, tmp_path)[0] == "empty_file"
    (tmp_path / "a.jpg").write_bytes(encoded())
    assert refused(lazy, tmp_path, CheckOptions(max_bytes=100))[0] == "too_large"
    (tmp_path / "a.jpg").write_text("<svg/>")
    assert refused(lazy, tmp_path)[0] == "unreadable_image"


@pytest.mark.parametrize(
    "path", ["../a.jpg", "/etc/hosts", "x/../../a.jpg", "..\\a.jpg", "C:\\a.jpg", "\\a.jpg", "", "a\0"]
)
def test_paths_that_leave_the_root_are_not_opened(path: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "a.jpg").write_bytes(encoded())
    out, rejects = check(replace(scene(), data=None, path=path), root, OPTIONS)
    assert out is None
    assert rejects[0].code == "unsafe_path"


def test_links_may_point_inside_the_root_but_not_out(tmp_path: Path) -> None:
    root = tmp_path / "root (1)"
    root.mkdir()
    (root / "b.jpg").write_bytes(encoded())
    (tmp_path / "secret.jpg").write_bytes(encoded())
    (root / "a.jpg").symlink_to(root / "b.jpg")
    assert check(replace(scene(), data=None), root, OPTIONS)[0] is not None
    (root / "a.jpg").unlink()
    (root / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    assert refused(replace(scene(), data=None), root)[0] == "unsafe_path"


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
