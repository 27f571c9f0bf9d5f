from __future__ import annotations

import io
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geovec_data.build.checks import CheckOptions, check
from geovec_data.errors import UserError
from geovec_data.readers._names import in_words, squeezed
from geovec_data.readers._splits import image_splits
from geovec_data.records import Scene
from tests.fixtures import reading
from tests.fixtures.class_folders import write_classes, write_clutter
from tests.fixtures.corpora import aid, eurosat_ms, ucmerced
from tests.fixtures.osm import geotiff

read = partial(reading.read, "class_folders")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("BareLand", "bare land"),
        ("footballField", "football field"),
        ("baseball_diamond", "baseball diamond"),
        ("multi-unit_residential", "multi-unit residential"),
        ("Airport", "airport"),
        ("DENSE", "dense"),
    ],
)
def test_class_names_become_words(raw: str, expected: str) -> None:
    assert in_words(raw) == expected


@pytest.mark.parametrize("top", ["", "UCMerced_LandUse", "UCMerced_LandUse/Images", "a/b/c/d"])
def test_class_folders_are_found_at_any_depth_and_clutter_is_no_image(top: str, tmp_path: Path) -> None:
    folders = {f"{top}/{c}".strip("/"): ["x1.jpg", "x2.TIF"] for c in ("airport", "BareLand")}
    paths = write_classes(tmp_path, folders)
    write_clutter(tmp_path / top)
    scenes, rejects = read(tmp_path, renamed={"airport": "airfield"})
    assert not rejects
    assert [s.path for s in scenes] == sorted(paths)
    assert {s.scene_class for s in scenes} == {"airfield", "bare land"}
    assert {s.split for s in scenes} == {None}


def test_listed_classes_are_known_in_any_spelling_and_other_folders_are_none(tmp_path: Path) -> None:
    spellings = ["FootballField", "football_field", "footballfield", "Football Field", "SeaLake"]
    write_classes(tmp_path, {f: ["1.jpg"] for f in [*spellings, "samples"]})
    scenes, rejects = read(tmp_path, class_names=["football field", "sea or lake"], renamed={"sealake": "sea or lake"})
    assert Counter(s.scene_class for s in scenes) == {"football field": 4, "sea or lake": 1}
    assert [(r.code, r.path) for r in rejects] == [("no_label", "samples/1.jpg")]


def test_an_images_folder_below_the_class_is_looked_through(tmp_path: Path) -> None:
    write_classes(tmp_path, {"airport/Images": ["1.jpg"], "port/images": ["1.jpg"]})
    assert [s.scene_class for s in read(tmp_path)[0]] == ["airport", "port"]


@pytest.mark.parametrize("layout", ["{split}/{name}", "{name}/{split}", "data/{split}/{name}"])
def test_folders_of_splits_tell_the_split(layout: str, tmp_path: Path) -> None:
    splits = {"Train": "train", "validation": "val", "test": "test"}
    write_classes(tmp_path, {layout.format(split=s, name="port"): [f"{s}.jpg"] for s in splits})
    for official in (True, False):
        scenes, _ = read(tmp_path, official_split=official)
        assert Counter((s.scene_class, s.split) for s in scenes) == {("port", s): 1 for s in splits.values()}


def test_the_class_can_stand_in_the_file_name(tmp_path: Path) -> None:
    write_classes(tmp_path, {"imgs": ["airport_1.jpg", "BareLand-02.jpg", "church (3).jpg", "17.jpg"]})
    scenes, rejects = read(tmp_path, class_from="filename")
    assert [s.scene_class for s in scenes] == ["bare land", "airport", "church"]
    assert [(r.code, r.path) for r in rejects] == [("no_label", "imgs/17.jpg")]


def test_sizes_stay_as_they_are(tmp_path: Path) -> None:
    ucmerced.write(tmp_path)
    scenes, _ = read(tmp_path)
    checked = [check(s, tmp_path, CheckOptions())[0] for s in scenes]
    assert {(c.width, c.height, c.format) for c in checked if c} == {
        (96, 96, "TIFF"),
        (95, 96, "TIFF"),
        (92, 97, "TIFF"),
    }


def test_lists_of_images_split_them(tmp_path: Path) -> None:
    ucmerced.write(tmp_path)
    lists = {s: f"uc_merced-{s}.txt" for s in ("train", "val", "test")}
    scenes, _ = read(tmp_path, split_files=lists, official_split=True)
    assert Counter(s.split for s in scenes) == {"train": 12, "val": 4, "test": 4}
    assert {s.split for s in read(tmp_path, split_files=lists)[0]} == {None}


@pytest.mark.parametrize(
    "line",
    [
        "airport/a_1.jpg",
        "a_1",
        "./data/airport/a_1.jpg",
        "C/airport\\a_1.tif",
        "0,airport/a_1.jpg,3,Airport",
        '7,"a_1.jpg"',
    ],
)
def test_a_line_may_name_an_image_in_many_ways(line: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"Filename,Label\n{line}\nabsent.jpg\n", encoding="utf-8")
    assert image_splits(tmp_path, ["data/airport/a_1.jpg", "data/port/b_1.jpg"], {"val": "list"}) == {
        "data/airport/a_1.jpg": "val"
    }


def test_a_byte_order_mark_hides_no_line(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("a_1.jpg\r\n", encoding="utf-8-sig")
    assert image_splits(tmp_path, ["a_1.jpg"], {"val": "list"}) == {"a_1.jpg": "val"}


def test_lists_of_jpegs_split_geotiffs(tmp_path: Path) -> None:
    eurosat_ms.write(tmp_path)
    lists = {s: f"eurosat-{s}.txt" for s in ("train", "val", "test")}
    scenes, _ = read(tmp_path, split_files=lists, official_split=True)
    assert Counter(s.split for s in scenes) == {"train": 10, "val": 3, "test": 3, None: 1}


def test_a_name_that_two_images_have_needs_its_folder(tmp_path: Path) -> None:
    images = ["airport/1.jpg", "port/1.jpg"]
    (tmp_path / "list").write_text("1.jpg\nport/1.jpg\n")
    assert image_splits(tmp_path, images, {"test": "list"}) == {"port/1.jpg": "test"}


def test_lists_that_do_not_fit_are_told(tmp_path: Path) -> None:
    aid.write(tmp_path)
    with pytest.raises(UserError, match=r"no official split; use split=image.*reader\.split_files"):
        read(tmp_path, official_split=True)
    with pytest.raises(UserError, match=r"official split needs .*train\.txt"):
        read(tmp_path, official_split=True, split_files={"train": "train.txt"})
    (tmp_path / "train.txt").write_text("airplane_1.jpg\n")
    with pytest.raises(UserError, match=r"train\.txt names none of the 16 images found"):
        read(tmp_path, official_split=True, split_files={"train": "train.txt"})
    (tmp_path / "train.txt").write_text("airport_1.jpg\n")
    with pytest.raises(UserError, match="is in the official train split already"):
        read(tmp_path, official_split=True, split_files={"train": "train.txt", "test": "./train.txt"})
    with pytest.raises(UserError, match=r"split_files: '\.\./x' must be relative"):
        read(tmp_path, official_split=True, split_files={"train": "../x"})


def test_other_layouts_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder with \.jpg .* images\. Found: nothing"):
        read(tmp_path)
    write_classes(tmp_path, {".": ["a.jpg"]})
    with pytest.raises(UserError, match=r"Found: a\.jpg"):
        read(tmp_path)
    write_classes(tmp_path / ".rsicd", {"RSICD_images": ["airport_1.jpg"]})
    with pytest.raises(UserError, match=r"no folder called airport, port … with .*Found: RSICD_images/"):
        read(tmp_path / ".rsicd", class_names=["airport", "port"])
    write_classes(tmp_path, {"EuroSAT_RGB/River": ["River_1.jpg"], "EuroSAT_MS/River": ["River_1.tif"]})
    with pytest.raises(UserError, match=r"in 2 places, e\.g\. EuroSAT_MS/River/River_1\.tif .*reader\.folder"):
        read(tmp_path)
    (only,), _ = read(tmp_path, folder="EuroSAT_MS")
    assert only.path == "EuroSAT_MS/River/River_1.tif"
    scenes, rejects = read(tmp_path, extensions=[".jpg"])
    assert [s.path for s in scenes] == ["EuroSAT_RGB/River/River_1.jpg"]
    assert [(r.code, r.path) for r in rejects] == [("no_label", "a.jpg")]


def test_a_linked_folder_is_not_followed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    write_classes(root, {"port": ["1.jpg"]})
    write_classes(elsewhere, {"secret": ["2.jpg"]})
    (root / "airport").symlink_to(elsewhere / "secret")
    (root / "port" / "3.jpg").symlink_to(elsewhere / "secret" / "2.jpg")
    scenes, rejects = read(root)
    assert [s.path for s in scenes] == ["port/1.jpg", "port/3.jpg"]
    assert [(r.code, r.path) for r in rejects] == [("unsafe_path", "airport")]
    assert check(scenes[1], root, CheckOptions())[1][0].code == "unsafe_path"


def test_bands_become_a_picture_with_one_stretch_for_all(tmp_path: Path) -> None:
    eurosat_ms.write(tmp_path)
    scenes, rejects = read(tmp_path, bands=[4, 3, 2], stretch=[0, 3000], georeference=True)
    assert [(r.code, r.path.rpartition("/")[2]) for r in rejects] == [("unreadable_image", "SeaLake_5.tif")]
    first = next(s for s in scenes if s.path.endswith("AnnualCrop_1.tif"))
    values = eurosat_ms.bands(0)[[3, 2, 1]].astype(np.float64)
    expected = np.moveaxis(np.rint(np.minimum(values / 3000, 1) * 255), 0, -1)
    shown = np.asarray(Image.open(io.BytesIO(first.data or b"")))
    assert np.array_equal(shown, expected)
    assert first.attributes == (("rendering", "bands 4, 3, 2: 0–3000 to 0–255"),)
    assert first.crs == "EPSG:32632"
    assert first.gsd == pytest.approx(10, rel=2e-3)
    # UTM 32N: the central meridian, 9 degrees east, is at 500,000 m
    assert first.lon is not None and 10.3 < first.lon < 10.4
    assert first.lat is not None and 47.8 < first.lat < 47.9
    checked, _ = check(first, tmp_path, CheckOptions())
    assert checked is not None and (checked.format, checked.width) == ("PNG", 64)


def test_without_a_fixed_stretch_each_band_has_its_own(tmp_path: Path) -> None:
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    geotiff(tmp_path / "river" / "1.tif", np.stack([ramp, ramp * 2, ramp * 3]))
    (scene,), _ = read(tmp_path, bands=[1, 2, 3])
    shown = np.asarray(Image.open(io.BytesIO(scene.data or b"")))
    assert (shown[..., 0] == shown[..., 2]).all()
    assert (shown.min(), shown.max()) == (0, 255)
    assert scene.attributes[0][1] == "bands 1, 2, 3: 81.9–4013.1; 163.8–8026.2; 245.7–12039.3 to 0–255"
    assert (scene.lon, scene.crs) == (None, None)


def test_a_geotiff_with_wrong_bytes_is_a_scene_or_a_reject(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "river" / "1.tif", eurosat_ms.bands(1)[:, :16, :16], crs="EPSG:32632")
    whole = path.read_bytes()
    reader = reading.make("class_folders", tmp_path, bands=[4, 3, 2], georeference=True)
    (entry,) = reader.entries()
    rng = np.random.default_rng(5)
    codes: Counter[str] = Counter()
    for _ in range(300):
        data = bytearray(whole[: rng.choice([len(whole), int(rng.integers(1, len(whole)))])])
        for at in rng.integers(0, min(len(data), 400), rng.integers(1, 6)):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        (out,) = reader.read(entry)
        codes["scene" if isinstance(out, Scene) else out.code] += 1
    assert set(codes) == {"scene", "unreadable_image"}, codes


def test_a_band_that_is_not_there_is_a_reject(tmp_path: Path) -> None:
    geotiff(tmp_path / "river" / "1.tif", np.zeros((3, 8, 8), np.uint16))
    scenes, rejects = read(tmp_path, bands=[4, 3, 2])
    assert not scenes
    assert rejects[0].code == "unreadable_image"
    assert "it has 3 bands" in rejects[0].detail


@given(
    st.lists(st.sampled_from(["a", "train", "Images", "é", "x y", "1"]), min_size=0, max_size=4), st.text(max_size=8)
)
def test_any_path_has_a_label_or_none(folders: list[str], stem: str) -> None:
    reader = reading.make("class_folders", Path("/nowhere"))
    label = reader._label("/".join([*folders, "f.jpg"]))
    assert label is None or label in map(in_words, folders)
    named = reading.make("class_folders", Path("/nowhere"), class_from="filename")
    found = named._label(stem.replace("/", "") + ".jpg")
    assert found is None or squeezed(found) in squeezed(stem)


@pytest.mark.real
def test_resisc45(real_data: Path) -> None:
    root = real_data / "research_only" / "nwpu_resisc45"
    scenes, rejects = read(root)
    assert not rejects
    assert [s.scene_class for s in scenes] == ["baseball diamond", "chaparral", "church", "parking lot"]
    checked = [check(s, root, CheckOptions())[0] for s in scenes]
    assert {(c.width, c.height, c.format) for c in checked if c} == {(256, 256, "JPEG")}


@pytest.mark.real
def test_ucmerced_tiffs(real_data: Path, tmp_path: Path) -> None:
    """The five TIFFs at hand come from UCM-captions, which renamed them; in the folder of their class they are read."""
    (tmp_path / "agricultural").mkdir()
    for n in range(1, 6):
        data = (real_data / "research_only" / "ucm" / "imgs" / f"{n}.tif").read_bytes()
        (tmp_path / "agricultural" / f"agricultural{n:02d}.tif").write_bytes(data)
    scenes, _ = read(tmp_path)
    checked = [check(s, tmp_path, CheckOptions())[0] for s in scenes]
    assert [(c.width, c.height, c.format, c.scene_class) for c in checked if c] == [
        (256, 256, "TIFF", "agricultural")
    ] * 5
