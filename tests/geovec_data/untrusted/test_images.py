from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from geovec_data.build.checks import CheckOptions, check
from geovec_data.build.file_digest import file_digest
from geovec_data.untrusted.images import read_label
from tests.fixtures.photo import photo
from tests.fixtures.scenes import OPTIONS, encoded, refused, scene


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
    out, rejects = check(scene(bytes(data)), Path(), CheckOptions(max_pixels=2**20))
    assert (out is None) == (len(rejects) == 1)
    assert out is not None or rejects[0].level == "scene"


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    assert refused(replace(scene(), data=None), tmp_path)[0] == "unreadable_image"
    with pytest.raises(OSError, match="pipe"):
        read_label(tmp_path, "a.jpg")
    assert file_digest(tmp_path / "a.jpg") == "absent"
