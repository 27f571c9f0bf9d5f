"""What the layouts of paired files have in common, and the quirks of each."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geovec_data.build.checks import CheckOptions, check
from geovec_data.errors import UserError
from geovec_data.readers._paired import Malformed, nearest, text_lines
from tests.fixtures import corpora
from tests.fixtures.objects import objects
from tests.fixtures.reading import make, read

DOTA = partial(read, "dota_txt", images=["images"])


def picture(root: Path, name: str, size: tuple[int, int] = (100, 50)) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "green").save(root / name)


def label(root: Path, name: str, text: str | bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def test_dota_keeps_the_quad_and_tells_distance_difficulty_and_split(tmp_path: Path) -> None:
    picture(tmp_path, "train/images/P0001.png")
    text = "imagesource:GoogleEarth\ngsd:0.25\n10 5 30 9 28 20 8 16 small-vehicle 2\n1.5 2 9 2 9 8 1.5 8 plane 0\n"
    label(tmp_path, "train/labelTxt/P0001.txt", "\ufeff" + text)
    (scene,), rejects = read("dota_txt", tmp_path, parents={"vehicle": ["small vehicle"]})
    assert not rejects
    assert (scene.key, scene.gsd, scene.split) == ("train/images/P0001.png", 0.25, "train")
    vehicle, plane = scene.regions
    assert vehicle.polygon == (10, 5, 30, 9, 28, 20, 8, 16)
    assert vehicle.box == (8, 5, 30, 20)
    assert (vehicle.category, vehicle.ancestors) == ("small vehicle", ("vehicle",))
    assert vehicle.attributes == (("difficult", "yes"),)
    assert (plane.box, plane.attributes) == ((1.5, 2, 9, 8), ())


@pytest.mark.parametrize("gsd", ["null", "None", "", "-1", "nan", "inf"])
def test_an_unknown_distance_is_none(gsd: str, tmp_path: Path) -> None:
    picture(tmp_path, "images/P0001.png")
    label(tmp_path, "labelTxt/P0001.txt", f"imagesource:GF-2\ngsd:{gsd}\n")
    assert DOTA(tmp_path)[0][0].gsd is None


def test_two_versions_of_labels_must_be_chosen_from(tmp_path: Path) -> None:
    picture(tmp_path, "train/images/P0001.png")
    for folder in ("labelTxt-v1.0/labelTxt", "labelTxt-v1.5/DOTA-v1.5_train"):
        label(tmp_path, f"train/{folder}/P0001.txt", "1 1 5 1 5 5 1 5 ship 0\n")
    with pytest.raises(UserError, match=r"reader\.annotations=\[train/labelTxt-v1\.5"):
        read("dota_txt", tmp_path)
    scenes, _ = read("dota_txt", tmp_path, annotations=["train/labelTxt-v1.5/*/*.txt"])
    assert len(scenes[0].regions) == 1


@pytest.mark.parametrize(
    "line", ["1 2 3", "1 1 5 1 5 5 1 five ship 0", "1 1 5 1 5 5 1 5 storage tank 0", "1,1,5,1,5,5,1,5,ship,0"]
)
def test_a_bad_line_loses_itself_only(line: str, tmp_path: Path) -> None:
    picture(tmp_path, "images/P0001.png")
    label(tmp_path, "labelTxt/P0001.txt", f"{line}\n1 1 5 1 5 5 1 5 ship 0\n")
    (scene,), (reject,) = DOTA(tmp_path)
    assert len(scene.regions) == 1
    assert (reject.level, reject.code, reject.path) == ("region", "bad_annotation", "images/P0001.png")
    assert reject.detail.startswith("labelTxt/P0001.txt: line 1: ")


def test_a_file_that_is_no_text_is_one_reject(tmp_path: Path) -> None:
    for name, content in {"a": b"\xff\xfe1\0 \x001", "b": b"1 1 5 1 5 5 1 5 ship 0", "c": b"\0\0"}.items():
        picture(tmp_path, f"images/{name}.png")
        label(tmp_path, f"labelTxt/{name}.txt", content)
    scenes, rejects = DOTA(tmp_path)
    assert [s.key for s in scenes] == ["images/b.png"]
    assert [(r.path, r.level) for r in rejects] == [("labelTxt/a.txt", "scene"), ("labelTxt/c.txt", "scene")]


def test_numbers_beyond_all_bounds_are_refused_by_the_checks(tmp_path: Path) -> None:
    picture(tmp_path, "images/a.png")
    label(tmp_path, "labelTxt/a.txt", "nan 1 5 1 5 5 1 5 ship 0\n1e999 1 5 1 5 5 1 5 ship 0\n3 3 3 3 3 3 3 3 ship 0\n")
    (scene,), _ = DOTA(tmp_path)
    checked, rejects = check(scene, tmp_path, CheckOptions())
    assert checked is not None
    assert not checked.regions
    assert [r.code for r in rejects] == ["bad_coordinate", "bad_coordinate", "empty_box"]


@given(st.binary(max_size=200))
def test_any_bytes_are_lines_or_malformed(data: bytes) -> None:
    with suppress(Malformed):
        assert all(line == line.strip() for line in text_lines(data))


def test_a_missing_image_is_rejected_under_the_name_of_its_labels(tmp_path: Path) -> None:
    picture(tmp_path, "images/other.png")
    label(tmp_path, "labelTxt/P0001.txt", "1 1 5 1 5 5 1 5 ship 0\n")
    (scene,), _ = DOTA(tmp_path)
    out, rejects = check(scene, tmp_path, CheckOptions())
    assert out is None
    assert [(r.path, r.code) for r in rejects] == [("labelTxt/P0001.txt", "missing_image")]


@pytest.mark.parametrize("name", ["dota_txt", "yolo_txt", "nwpu_txt", "fair1m_xml", "vrsbench"])
def test_another_layout_is_told_with_what_was_expected_and_found(name: str, tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("")
    (tmp_path / "classes.names").write_text("car")
    with pytest.raises(UserError, match=r"not of the expected layout: no .*Found: classes\.names, readme\.md"):
        read(name, tmp_path)


def test_a_link_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    label(tmp_path, "secret.txt", "1 1 5 1 5 5 1 5 ship 0\n")
    (root / "labelTxt").mkdir(parents=True)
    (root / "labelTxt" / "a.txt").symlink_to(tmp_path / "secret.txt")
    scenes, (reject,) = read("dota_txt", root)
    assert not scenes
    assert reject.code == "unsafe_path"


def test_the_image_beside_the_annotation_is_taken() -> None:
    images = ["train/part1/images/0.tif", "train/part2/images/0.tif", "validation/images/0.tif"]
    assert nearest("validation/labelXml/0.xml", images) == images[2]
    assert nearest("train/part2/labelXml/0.xml", images) == images[1]
    assert nearest("elsewhere/0.xml", images) == images[0]
    assert nearest("elsewhere/0.xml", []) is None


def test_fair1m_pairs_by_folder_and_drops_the_repeated_point(tmp_path: Path) -> None:
    corpora.write("fair1m", tmp_path)
    scenes, rejects = read("fair1m_xml", tmp_path)
    assert [(r.path, r.level) for r in rejects] == [("train/part1/images/1.tif", "region")]
    assert [s.split for s in scenes] == ["train"] * 6 + ["val"] * 3
    assert scenes[6].path == "validation/images/0.tif"
    expected = objects(5, 6, ("x",), count=5, size=120)
    assert [r.box for r in scenes[6].regions] == [t.box for t in expected]
    assert all(len(r.polygon) == 8 for s in scenes for r in s.regions)


@pytest.mark.parametrize(
    "content", ["", "<annotation/>", "<a><objects/></a>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"]
)
def test_a_bad_fair1m_file_is_one_reject(content: str, tmp_path: Path) -> None:
    picture(tmp_path, "images/0.tif")
    label(tmp_path, "labelXml/0.xml", content)
    scenes, rejects = read("fair1m_xml", tmp_path)
    assert not scenes
    assert [(r.code, r.level) for r in rejects] == [("bad_annotation", "scene")]


def test_yolo_shares_become_pixels_of_the_image_as_it_is(tmp_path: Path) -> None:
    picture(tmp_path, "images/a.jpg", (200, 80))
    label(tmp_path, "classes.names", "car\nlongvehicle\n\n")
    label(tmp_path, "images/a.txt", "1 0.5 0.5 0.1 0.25\n0 0.1 0.1 0.2 0.1 0.2 0.5 0.1 0.5\n2 .5 .5 .1 .1\n0 0.5\n\n")
    (scene,), rejects = read("yolo_txt", tmp_path, names={"longvehicle": "long vehicle"})
    first, second = scene.regions
    assert (first.category, first.box, first.polygon) == ("long vehicle", (90, 30, 110, 50), ())
    assert second.box == pytest.approx((20, 8, 40, 40))
    assert len(second.polygon) == 8
    assert [r.detail[:20] for r in rejects] == ["images/a.txt: line 3", "images/a.txt: line 4"]
    assert scene.data, "the image was read for its size and need not be read again"


def test_yolo_without_class_names_or_image_is_told(tmp_path: Path) -> None:
    picture(tmp_path, "images/a.jpg")
    label(tmp_path, "images/a.txt", "0 0.5 0.5 0.1 0.1")
    label(tmp_path, "images/b.txt", "0 0.5 0.5 0.1 0.1")
    with pytest.raises(UserError, match=r"reader\.classes"):
        read("yolo_txt", tmp_path)
    label(tmp_path, "classes.names", "")
    with pytest.raises(UserError, match="are empty"):
        read("yolo_txt", tmp_path)
    label(tmp_path, "classes.names", "car")
    scenes, (reject,) = read("yolo_txt", tmp_path)
    assert len(scenes) == 1
    assert (reject.path, reject.code) == ("images/b.txt", "missing_image")
    assert make("yolo_txt", tmp_path).shared() == (tmp_path / "classes.names",)


def test_official_lists_of_paths_split_yolo_images(tmp_path: Path) -> None:
    label(tmp_path, "classes.names", "car")
    for name in ("0001", "0002"):
        picture(tmp_path, f"images/{name}.jpg")
        label(tmp_path, f"images/{name}.txt", "")
    label(tmp_path, "full-dataset/validation.txt", "./images/0002.jpg\n")
    files = {"val": "full-dataset/validation.txt"}
    assert [s.split for s in read("yolo_txt", tmp_path, split_files=files, official_split=True)[0]] == [None, "val"]
    assert [s.split for s in read("yolo_txt", tmp_path, split_files=files)[0]] == [None, None]


def test_nwpu_reads_both_image_sets_that_are_numbered_alike(tmp_path: Path) -> None:
    corpora.write("nwpu_vhr10", tmp_path)
    scenes, rejects = read("nwpu_txt", tmp_path)
    assert [s.path.split("/")[0] for s in scenes] == ["positive image set"] * 8 + ["negative image set"] * 3
    assert [bool(s.regions) for s in scenes] == [True] * 8 + [False] * 3
    assert scenes[1].regions[-1].box == (10, 12, 20, 21)
    assert scenes[1].regions[-1].category == "storage tank"
    assert [r.detail.split(": ")[1] for r in rejects] == ["line 4", "line 5"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", ["(", " ", "(1,2),", "1", "(1 ", ",", ")"])
def test_long_hostile_lines_end(part: str, tmp_path: Path) -> None:
    picture(tmp_path, "images/a.png")
    for reader, file in {"nwpu_txt": "ground truth/a.txt", "dota_txt": "labelTxt/a.txt"}.items():
        label(tmp_path, file, "(" + part * 200_000 + "x\n")
        assert len(read(reader, tmp_path, images=["images"])[1]) == 1


def test_vrsbench_takes_the_exact_corners_and_its_questions(tmp_path: Path) -> None:
    corpora.write("vrsbench", tmp_path)
    scenes, rejects = read("vrsbench", tmp_path)
    assert [s.split for s in scenes] == ["train"] * 6 + ["val"] * 3
    by_name = {s.path.rpartition("/")[2]: s for s in scenes}
    exact, rounded = by_name["P0003_0002.png"], by_name["P0003_0007.png"]
    drawn = [t.box for t in objects(7, 1, ("x",), count=3, size=128)]
    assert [r.box for r in exact.regions] == [t.box for t in objects(7, 0, ("x",), count=3, size=128)]
    assert rounded.regions[0].polygon == ()
    assert rounded.regions[0].box == pytest.approx(drawn[0], abs=0.64)  # obj_coord: hundredths of 128 px
    assert rounded.regions[1].expressions == ()
    assert [(q.kind, q.split) for q in exact.questions][:2] == [
        ("object quantity", "train"),
        ("object existence", "train"),
    ]
    assert exact.questions[0].answers == ("3",)
    assert sorted((r.path.rpartition("/")[2], r.level) for r in rejects) == [
        ("P1419_0005.png", "region"), ("P1419_0005.png", "text"), ("P2751_0040.json", "scene"),
    ]  # fmt: skip


@pytest.mark.parametrize("tree", [[], {}, {"caption": "x", "objects": {}}, {"objects": "x"}])
def test_a_bad_vrsbench_file_is_one_reject(tree: object, tmp_path: Path) -> None:
    picture(tmp_path, "Images_train/P0001_0001.png")
    label(tmp_path, "Annotations_train/P0001_0001.json", json.dumps(tree))
    scenes, rejects = read("vrsbench", tmp_path)
    assert not scenes
    assert [(r.code, r.level) for r in rejects] == [("bad_annotation", "scene")]


@pytest.mark.real
def test_the_published_dota_files_parse(real_data: Path) -> None:
    root = real_data / "research_only" / "dota"
    scenes, rejects = read("dota_txt", root)
    assert not rejects
    found = {s.path.rpartition("/")[2]: (len(s.regions), s.gsd) for s in scenes}
    assert found == {
        "P0004__1__0___0.png": (4, None),
        "P0706.png": (536, 0.255589285596),
        "P1888.png": (64, 0.266170468393),
    }


@pytest.mark.real
def test_the_published_simd_files_parse(real_data: Path) -> None:
    root = real_data / "research_only" / "simd"
    scenes, rejects = read("yolo_txt", root)
    assert not rejects
    kept = [check(s, root, CheckOptions()) for s in scenes]
    assert sum(len(scene.regions) for scene, _ in kept if scene) == 67
    assert not [r for _, lost in kept for r in lost]
