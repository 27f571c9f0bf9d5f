from __future__ import annotations

import gzip
import json
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.build.checks import CheckOptions, check
from geovec_data.build.ledger import CODES
from geovec_data.errors import UserError
from geovec_data.records import Reject, Scene
from tests.fixtures import reading
from tests.fixtures.photo_files import encoded
from tests.fixtures.tars import Member, write_tar

read = partial(reading.read, "webdataset")
PICTURE = encoded(1, 16)


def sample(key: str, caption: str = "a pond", **members: bytes) -> list[Member]:
    return [(f"{key}.jpg", PICTURE), (f"{key}.txt", caption.encode()), *[(f"{key}.{k}", v) for k, v in members.items()]]


def test_members_of_one_key_are_a_scene(tmp_path: Path) -> None:
    about = json.dumps({"caption": "from json", "lon": 8.5, "lat": 47.0, "txt": "overruled"}).encode()
    first = [("./", b""), *sample("000001", "a pond .", json=about, cls=b"Bare_land")]
    members = [first[0], *first[1:], *sample("a/b/000.2", "two"), ("__index__.json", b"{"), ("._x.jpg", b"apple")]
    folder = tarfile.TarInfo("a/")
    folder.type = tarfile.DIRTYPE
    write_tar(tmp_path / "train" / "s-0.tar", [folder, *members[1:]])
    columns = {"image": "jpg", "captions": ["txt", "caption?"], "scene_class": "cls?", "lon": "lon?", "lat": "lat?"}
    scenes, rejects = read(tmp_path, columns=columns, file_splits={"train": "train/*.tar"})
    assert [(s.key, s.captions, s.scene_class, s.split) for s in scenes] == [
        ("train/s-0.tar/000001", ("a pond .", "from json"), "bare land", "train"),
    ]
    assert (scenes[0].lon, scenes[0].lat, scenes[0].data) == (8.5, 47.0, PICTURE)
    assert [(r.code, r.path) for r in rejects] == [("missing_image", "train/s-0.tar/a/b/000")]  # its suffix is 2.jpg
    assert check(scenes[0], tmp_path, CheckOptions())[0] is not None


def test_blocks_are_read_by_offset(tmp_path: Path) -> None:
    keys = [f"{i:04d}" for i in range(150)]
    long = "d/" * 60 + "0150"  # a name that needs a header of its own
    write_tar(tmp_path / "a.tar", [m for k in [*keys, long] for m in sample(k, f"caption {k}")])
    reader = reading.make("webdataset", tmp_path)
    entries = list(reader.entries())
    assert [e.key for e in entries] == ["a.tar#0000000", "a.tar#0000064", "a.tar#0000128"]
    last = list(reader.read(entries[-1]))
    assert [s.key for s in last] == [f"a.tar/{k}" for k in [*keys[128:], long]]
    assert [s.captions for s in last[:2]] == [("caption 0128",), ("caption 0129",)]
    assert len({e.key for e in entries}) == 3
    assert not any(e.files for e in entries), "a tar is not hashed for each of its blocks"
    before = [e.payload for e in entries]
    write_tar(tmp_path / "a.tar", [m for k in [*keys, long] for m in sample(k, f"another {k}")])
    assert all(a != e.payload for a, e in zip(before, reader.entries(), strict=True)), "a changed tar is seen"


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_hostile_members_are_refused_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "root"
    members: list[Any] = [
        *sample("0"),
        *sample("../1"),
        *sample("/2"),
        ("3.jpg", PICTURE),
        link("3.txt", "../secret.txt"),
        link("4.jpg", "0.jpg", tarfile.LNKTYPE),
        link("5.jpg", "", tarfile.FIFOTYPE),
        link("6.jpg", "", tarfile.CHRTYPE),
        *sample("7", json=b"{"),
        *sample("8", json=b"[1]"),
        ("9.jpg", b""),
        ("10.jpg", PICTURE),
        ("10.txt", b"caf\xe9"),
        ("11.jpg", PICTURE),
        ("11.txt", b"x" * (2 << 20)),
        ("12.txt", b"no image"),
        *sample("0"),
        ("13.jpg", PICTURE),
        ("13.JPG", PICTURE),
        *sample("14"),
    ]
    write_tar(root / "a.tar", members)
    scenes, rejects = read(root)
    assert [s.key for s in scenes] == ["a.tar/0", "a.tar/14"]
    assert [(r.path, r.code) for r in rejects] == [
        ("a.tar/../1", "unsafe_path"),
        ("a.tar//2", "unsafe_path"),
        ("a.tar/3", "unsafe_path"),
        ("a.tar/4", "unsafe_path"),
        ("a.tar/5", "unsafe_path"),
        ("a.tar/6", "unsafe_path"),
        ("a.tar/7", "bad_annotation"),
        ("a.tar/8", "bad_annotation"),
        ("a.tar/9", "empty_file"),
        ("a.tar/10", "bad_annotation"),
        ("a.tar/11", "too_large"),
        ("a.tar/12", "missing_image"),
        ("a.tar/0", "duplicate_key"),
        ("a.tar/13", "duplicate_key"),
    ]
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["secret.txt", "a.tar"]
    assert read(root, max_member_bytes=10)[1][0].code == "too_large"


def test_a_tar_that_is_cut_off_or_broken_gives_what_is_whole(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [m for i in range(4) for m in sample(str(i))])
    whole = (tmp_path / "a.tar").read_bytes()
    at = whole.index(b"3.jpg")
    cases = {"in the image": whole[: at + 600], "broken header": whole[:at] + b"\xff" * 512 + whole[at + 512 :]}
    for words, content in cases.items():
        (tmp_path / "a.tar").write_bytes(content)
        scenes, rejects = read(tmp_path)
        assert [s.key for s in scenes] == ["a.tar/0", "a.tar/1", "a.tar/2"], words
        assert [(r.path, r.code) for r in rejects] == [("a.tar", "bad_annotation")], words
    cut = whole[: whole.index(b"3.txt") + 513]  # one byte of the caption
    (tmp_path / "a.tar").write_bytes(cut)
    assert [s.key for s in read(tmp_path)[0]] == ["a.tar/0", "a.tar/1", "a.tar/2"]
    (tmp_path / "a.tar").write_bytes(whole.rstrip(b"\0") + bytes(512))  # no end marker: common and harmless
    assert len(read(tmp_path)[0]) == 4


def test_a_size_beyond_the_file_is_told(tmp_path: Path) -> None:
    info = tarfile.TarInfo("0.jpg")
    info.size = 1 << 50
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(1024))
    scenes, rejects = read(tmp_path)
    assert not scenes
    assert "cut off" in rejects[0].detail


def test_compressed_tars_are_refused_with_a_way_out(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", sample("0"))
    (tmp_path / "b.tar").write_bytes(gzip.compress((tmp_path / "a.tar").read_bytes()))
    scenes, (reject,) = read(tmp_path)
    assert len(scenes) == 1
    assert "compressed with gzip; decompress it" in reject.detail
    (tmp_path / "a.tar").unlink()
    (tmp_path / "b.tar").rename(tmp_path / "b.tar.gz")
    with pytest.raises(UserError, match=r"compressed tars \(b\.tar\.gz, …\)"):
        read(tmp_path)


def test_other_layouts_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(UserError, match=r"no \*\*/\*\.tar in it\. Found: x\.txt"):
        read(tmp_path)
    write_tar(tmp_path / "a.tar", [("0.jpg", PICTURE), ("0.captions", b"a")])
    with pytest.raises(UserError, match=r"no column 'caption'\. Did you mean 'captions'"):
        read(tmp_path, columns={"image": "jpg", "captions": ["caption"]})


def test_a_tar_behind_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "secret.tar", sample("0"))
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.tar").symlink_to(tmp_path / "secret.tar")
    scenes, (reject,) = read(tmp_path / "root")
    assert not scenes
    assert reject.code == "unsafe_path"


@given(data=st.data())
def test_no_bytes_crash_the_reader(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("w")
    write_tar(root / "a.tar", [*sample("0"), *sample("1", json=b'{"lon": 1}')])
    whole = bytearray((root / "a.tar").read_bytes())
    for _ in range(data.draw(st.integers(0, 5))):
        whole[data.draw(st.integers(0, 3 * 512))] = data.draw(st.integers(0, 255))
    (root / "a.tar").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        scenes, rejects = read(root)
    except UserError:
        return
    assert all(isinstance(s, Scene) for s in scenes)
    assert all(isinstance(r, Reject) and r.code in CODES for r in rejects)
