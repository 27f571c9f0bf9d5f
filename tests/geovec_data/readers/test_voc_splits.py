from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from geovec_data.errors import UserError
from tests.fixtures import reading
from tests.fixtures.voc import write_dior, write_rsvg

make = partial(reading.make, "voc")
read = partial(reading.read, "voc")


def test_the_official_object_split_counts_over_all_files_in_name_order(tmp_path: Path) -> None:
    drawn = write_rsvg(tmp_path, images=5, expressions=20, size=64)
    expected = {}
    for split in ("train", "val", "test"):
        expected |= {int(n): split for n in (tmp_path / f"{split}.txt").read_text().split()}
    scenes, _ = read(tmp_path, official_split=True)
    flat = [t for things in drawn for t in things]
    got = {r.source_index: (r.split, r.expressions) for s in scenes for r in s.regions}
    assert got == {i: (expected[i], (t.description,)) for i, t in enumerate(flat)}
    assert any(len({r.split for r in s.regions}) > 1 for s in scenes)


def test_an_unreadable_object_keeps_its_number(tmp_path: Path) -> None:
    write_rsvg(tmp_path, images=2, expressions=6, size=64)
    path = tmp_path / "Annotations" / "00001.xml"
    path.write_text(path.read_text().replace("<xmin>", "<xmin>left of ", 1))
    scenes, rejects = read(tmp_path, official_split=True)
    assert [(r.level, r.code, r.path) for r in rejects] == [("region", "bad_annotation", "Annotations/00001.xml")]
    assert "object 0" in rejects[0].detail
    assert [r.source_index for s in scenes for r in s.regions] == [1, 2, 3, 4, 5]


def test_official_splits_that_do_not_fit_the_files_are_told(tmp_path: Path) -> None:
    write_rsvg(tmp_path, images=3, expressions=9, size=64)
    (tmp_path / "Annotations" / "00002.xml").unlink()
    with pytest.raises(UserError, match=r"object 8.*hold only 6 objects.*split=image"):
        read(tmp_path, official_split=True)
    (tmp_path / "val.txt").write_text("x\n")
    with pytest.raises(UserError, match="split_unit=image"):
        read(tmp_path, official_split=True)
    (tmp_path / "val.txt").write_text("\n".join(map(str, range(9))))
    with pytest.raises(UserError, match="official train split already"):
        read(tmp_path, official_split=True)
    (tmp_path / "val.txt").unlink()
    with pytest.raises(UserError, match=r"split_files"):
        read(tmp_path, official_split=True)


def test_official_image_lists_split_whole_scenes(tmp_path: Path) -> None:
    write_dior(tmp_path, images=8)
    lists = {s: f"ImageSets/Main/{s}.txt" for s in ("train", "val", "test")}
    scenes, _ = read(
        tmp_path,
        annotations=["Annotations/H*/*.xml"],
        split_unit="image",
        split_files=lists,
        official_split=True,
    )
    assert [s.split for s in scenes] == ["train"] * 2 + ["val"] * 2 + ["test"] * 4


def test_changed_split_files_change_the_entries(tmp_path: Path) -> None:
    write_rsvg(tmp_path, images=2, expressions=4, size=64)
    before = list(make(tmp_path, official_split=True).entries())
    for split, numbers in {"train": "0", "val": "1 2", "test": "3"}.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(numbers.split()))
    after = list(make(tmp_path, official_split=True).entries())
    assert [e.key for e in before] == [e.key for e in after]
    assert before != after
    assert after[0].payload == {"first": 0, "objects": ["train", "val"]}
