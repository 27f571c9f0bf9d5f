from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geovec_data.build.checks import CheckOptions, check
from geovec_data.errors import UserError
from geovec_data.readers import get_reader, reader_names
from geovec_data.records import Scene
from tests.fixtures import reading
from tests.fixtures.voc import COLOURS, Thing, write_dior, write_neon, write_rsvg, xml

make = partial(reading.make, "voc")
read = partial(reading.read, "voc")


def patches(root: Path, scene: Scene) -> set[tuple[int, ...]]:
    """The one colour of each region's pixels; fails when a box is off by one."""
    pixels = np.asarray(Image.open(root / scene.path))
    colours = set()
    for region in scene.regions:
        x0, y0, x1, y1 = (round(v) for v in region.box)
        inside = {tuple(c) for c in pixels[y0:y1, x0:x1].reshape(-1, 3).tolist()}
        assert len(inside) == 1, region
        (colour,) = inside
        # the row and column before and behind the box are not of the patch (the ground never has its colour)
        assert y0 == 0 or colour not in {tuple(c) for c in pixels[y0 - 1, x0:x1].tolist()}
        assert x1 == pixels.shape[1] or colour not in {tuple(c) for c in pixels[y0:y1, x1].tolist()}
        colours.add(colour)
    return colours


def test_the_registry_is_the_folder() -> None:
    assert {"voc", "karpathy"} <= set(reader_names())
    assert all(get_reader(n).name == n and get_reader(n).layout for n in reader_names())
    with pytest.raises(UserError, match="Did you mean 'karpathy'"):
        get_reader("karpathi")


def test_rsvg_gives_each_object_its_description(tmp_path: Path) -> None:
    drawn = write_rsvg(tmp_path, images=3, expressions=7, size=64)
    scenes, rejects = read(tmp_path)
    assert not rejects
    assert [s.key for s in scenes] == [f"JPEGImages/0000{i}.jpg" for i in (1, 2, 3)]
    for scene, things in zip(scenes, drawn, strict=True):
        assert (scene.width, scene.height, scene.split, scene.corpus) == (64, 64, None, "c")
        assert [r.box for r in scene.regions] == [tuple(map(float, t.box)) for t in things]
        assert [r.expressions for r in scene.regions] == [(t.description,) for t in things]
        assert all(r.source_index is None and r.split is None for r in scene.regions)


def test_labels_become_words_and_may_carry_attributes(tmp_path: Path) -> None:
    write_neon(tmp_path / "a b (1)")
    names = {"Dead": {"category": "tree", "attributes": {"status": "dead"}}, "alive": "living tree"}
    scenes, _ = read(tmp_path / "a b (1)", names=names)
    found = Counter((r.category, r.attributes) for s in scenes for r in s.regions)
    assert found == {("tree", ()): 4, ("tree", (("status", "dead"),)): 2, ("living tree", ()): 2}
    write_dior(tmp_path / "dior")
    scenes, _ = read(tmp_path / "dior", annotations=["Annotations/H*/*.xml"], names={"golffield": "golf field"})
    categories = {r.category for s in scenes for r in s.regions}
    assert categories <= {"ship", "storagetank", "vehicle", "airplane", "expressway service area", "golf field"}
    assert len(categories) > 2


def test_boxes_fit_the_drawn_patches_to_the_pixel_and_the_named_image_is_taken(tmp_path: Path) -> None:
    drawn = write_neon(tmp_path)
    scenes, _ = read(tmp_path)
    assert [s.path for s in scenes] == ["OSBS_029.tif", "SOAP_061.png"]
    for scene in scenes:
        things = drawn[scene.path[:8]]
        assert patches(tmp_path, scene) == {COLOURS[t.colour] for t in things}
    taken_as_is, _ = read(tmp_path, one_based=False)
    assert taken_as_is[0].regions[0].box[0] == scenes[0].regions[0].box[0] + 1


def test_oriented_boxes_keep_their_corners_unclipped(tmp_path: Path) -> None:
    drawn = write_dior(tmp_path)
    scenes, _ = read(tmp_path, annotations=["Annotations/Oriented Bounding Boxes/*.xml"])
    assert [s.path for s in scenes][1:3] == ["JPEGImages-trainval/00002.jpg", "JPEGImages-test/00003.jpg"]
    for scene, things in zip(scenes, drawn, strict=True):
        for region, thing in zip(scene.regions, things, strict=True):
            assert len(region.polygon) == 8
            # corners are pixel centres: half a pixel inside the patch
            assert np.abs(np.subtract(region.box, thing.box)).max() == 0.5
    turned = """<annotation><filename>00001.jpg</filename><object><name>ship</name><robndbox>
      <x_left_top>-37</x_left_top><y_left_top>10</y_left_top><x_right_top>20</x_right_top><y_right_top>-5</y_right_top>
      <x_right_bottom>30</x_right_bottom><y_right_bottom>20</y_right_bottom>
      <x_left_bottom>-20</x_left_bottom><y_left_bottom>40</y_left_bottom></robndbox></object></annotation>"""
    (tmp_path / "Annotations" / "Oriented Bounding Boxes" / "00001.xml").write_text(turned)
    scenes, _ = read(tmp_path, annotations=["Annotations/Oriented Bounding Boxes/*.xml"])
    (region,) = scenes[0].regions
    assert region.box == (-37.5, -5.5, 29.5, 39.5)
    assert region.polygon == (-37.5, 9.5, 19.5, -5.5, 29.5, 19.5, -20.5, 39.5)
    checked, rejects = check(scenes[0], tmp_path, CheckOptions())
    assert checked is not None
    assert not rejects
    assert checked.regions[0].polygon == region.polygon
    assert 0.38 < checked.regions[0].visible < 0.41  # a part of the turned shape, not of its upright bounds (0.53)


def test_two_kinds_of_boxes_for_one_image_must_be_chosen_from(tmp_path: Path) -> None:
    write_dior(tmp_path)
    with pytest.raises(UserError, match=r"reader\.annotations="):
        read(tmp_path)


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><annotation><filename>&b;</filename></annotation>'
SPY = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hosts">]><annotation><filename>&x;</filename></annotation>'


@pytest.mark.parametrize("content", ["", "<annotation>", "not xml", "<a/>", BOMB, SPY, "\0\0", '<?xml encoding="x"?>'])
def test_a_bad_file_is_one_reject_and_harms_no_other(content: str, tmp_path: Path) -> None:
    write_rsvg(tmp_path, images=2, expressions=2, size=64)
    (tmp_path / "Annotations" / "00001.xml").write_text(content)
    scenes, rejects = read(tmp_path)
    assert [s.key for s in scenes] == ["JPEGImages/00002.jpg"]
    assert [(r.stage, r.code, r.level, r.path) for r in rejects] == [
        ("read", "bad_annotation", "scene", "Annotations/00001.xml")
    ]


@pytest.mark.parametrize("drop", ["<bndbox>.*</bndbox>", "<xmin>.*</xmin>"])
def test_an_object_without_a_box_loses_itself_only(drop: str, tmp_path: Path) -> None:
    import re

    write_rsvg(tmp_path, images=1, expressions=3, size=64)
    path = tmp_path / "Annotations" / "00001.xml"
    path.write_text(re.sub(drop, "", path.read_text(), count=1))
    scenes, rejects = read(tmp_path)
    assert len(scenes[0].regions) == 2
    assert [(r.code, r.level) for r in rejects] == [("bad_annotation", "region")]


def test_files_that_only_look_like_annotations_are_left_alone(tmp_path: Path) -> None:
    write_rsvg(tmp_path, images=2, expressions=2, size=64)
    (tmp_path / "Annotations" / "._00001.xml").write_bytes(b"\0\5\26\7")  # macOS leaves these in archives
    scenes, rejects = read(tmp_path)
    assert len(scenes) == 2
    assert not rejects


def test_missing_images_are_rejected_one_by_one_under_the_name_of_their_xml(tmp_path: Path) -> None:
    write_dior(tmp_path)
    for image in tmp_path.glob("JPEGImages-*/*"):
        image.unlink()
    scenes, _ = read(tmp_path)
    rejects = [r for s in scenes for r in check(s, tmp_path, CheckOptions())[1]]
    assert len({r.path for r in rejects}) == len(rejects) == 8
    assert {r.code for r in rejects} == {"missing_image"}
    assert rejects[0].path.endswith(".xml")
    assert "00001.jpg" in rejects[0].detail


def test_an_image_of_another_name_is_found_by_the_file_name_element(tmp_path: Path) -> None:
    write_rsvg(tmp_path, images=2, expressions=2, size=64)
    (tmp_path / "Annotations" / "00001.xml").rename(tmp_path / "Annotations" / "label of one.xml")
    reader = make(tmp_path)
    entries = {e.key: e.files for e in reader.entries()}
    assert entries["Annotations/label of one.xml"][1] == "JPEGImages/00001.jpg"


def test_a_file_name_element_cannot_lead_out_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "Annotations").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.jpg")
    for i, name in enumerate(("../secret.jpg", "..\\secret.jpg", "/etc/hosts")):
        text = xml(name, 8, 8, [Thing("ship", (1, 1, 4, 4), "red")])
        (root / "Annotations" / f"{i}.xml").write_text(text)
    scenes, _ = read(root)
    assert len(scenes) == 3
    for scene in scenes:
        out, rejects = check(scene, root, CheckOptions())
        assert out is None
        assert rejects[0].code == "missing_image"


@pytest.mark.parametrize("pattern", ["../*.xml", "/etc/*.xml"])
def test_patterns_of_a_recipe_stay_in_the_root(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"reader\.annotations"):
        read(tmp_path, annotations=[pattern])


def test_another_layout_is_told_with_what_was_expected_and_found(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("")
    with pytest.raises(UserError, match=r"no Annotations/\*\.xml.*Found: labels\.csv.*Expected:\n<root>/"):
        read(tmp_path)


def test_positions_are_read_where_the_image_has_one(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    write_neon(tmp_path)
    pixels = np.moveaxis(np.asarray(Image.open(tmp_path / "OSBS_029.tif")), -1, 0)
    transform = rasterio.Affine(0.1, 0, 404211.9, 0, -0.1, 3285142.9)
    with rasterio.open(
        tmp_path / "OSBS_029.tif", "w", driver="GTiff", width=120, height=90, count=3, dtype="uint8",
        crs="EPSG:32617", transform=transform,
    ) as out:  # fmt: skip
        out.write(pixels)
    scenes, _ = read(tmp_path, georeference=True)
    placed, bare = scenes
    assert (placed.crs, bare.crs, bare.footprint) == ("EPSG:32617", None, ())
    assert placed.transform == (0.1, 0.0, 404211.9, 0.0, -0.1, 3285142.9)
    assert placed.gsd == pytest.approx(0.1, abs=1e-3)
    assert placed.lon == pytest.approx(-81.99004, abs=1e-4)
    assert placed.footprint[:2] == pytest.approx((-81.990099, 29.692683), abs=1e-6)
    assert read(tmp_path)[0][0].crs is None


@pytest.mark.real
def test_all_published_dior_files_parse(real_data: Path) -> None:
    root = real_data / "research_only" / "dior_annotations_no_images"
    scenes, rejects = read(root)
    assert not rejects
    assert len(scenes) == 80
    halves = [sum(len(s.regions) for s in scenes if kind in s.key) for kind in ("/horizontal/", "/oriented/")]
    assert halves == [285, 285]
    lost = [r for s in scenes for r in check(s, root, CheckOptions())[1]]
    assert [r.code for r in lost] == ["missing_image"] * 80
    scenes, rejects = read(root / "dior_rsvg_sample")
    assert not rejects
    (region,) = scenes[0].regions
    assert region.expressions == ("A green and brown golf field",)
    assert region.box == (132.0, 236.0, 684.0, 672.0)
    with pytest.raises(UserError, match="incomplete"):
        read(root / "dior_rsvg_sample", official_split=True)


@pytest.mark.real
def test_horizontal_and_oriented_boxes_of_dior_agree_within_a_pixel_where_upright(real_data: Path) -> None:
    root = real_data / "research_only" / "dior_annotations_no_images"
    scenes, _ = read(root)
    flat = {s.key[-9:]: s.regions for s in scenes if "/horizontal/" in s.key}
    gaps = []
    for scene in scenes:
        for region in scene.regions if "/oriented/" in scene.key else ():
            if len(set(region.polygon[::2])) == len(set(region.polygon[1::2])) == 2:  # upright
                same = [r for r in flat[scene.key[-9:]] if r.category == region.category]  # the orders differ
                sides = [np.subtract(r.box, region.box) for r in same]
                gaps.append(min(sides, key=lambda v: float(np.abs(v).max())))
    assert len(gaps) > 100
    assert np.median(gaps, axis=0).tolist() == [-0.5, -0.5, 0.5, 0.5]
