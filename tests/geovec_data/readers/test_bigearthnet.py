from __future__ import annotations

import io
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geovec_data.errors import UserError
from geovec_data.readers._bigearthnet import DROPPED, FORTY_THREE, NINETEEN, labels_of
from tests.fixtures import reading
from tests.fixtures.bigearthnet import values, write_metadata, write_v1, write_v2
from tests.fixtures.corpora import bigearthnet

read = partial(reading.read, "bigearthnet")
TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"


def row(number: int, **facts: Any) -> dict[str, Any]:
    return {"patch_id": f"{TILE}_{number}_07", "labels": ["Pastures"], "split": "train"} | facts


def test_the_nomenclatures_are_complete() -> None:
    assert (len(NINETEEN), len(FORTY_THREE), len(DROPPED)) == (19, 43, 11)
    assert labels_of(["Sea and ocean", "Estuaries", "Bare rock", "Peatbogs"], 19) == (
        "marine waters",
        "inland wetlands",
    )
    assert labels_of(["Sea and ocean", "Bare rock"], 43) == ("sea and ocean", "bare rock")
    assert labels_of(["Marine waters", "Transitional woodland, shrub"], 19) == (
        "marine waters",
        "transitional woodland, shrub",
    )
    with pytest.raises(ValueError, match="'Sea' is none of the 43 or 19"):
        labels_of(["Sea"], 19)
    with pytest.raises(ValueError, match="'Marine waters' is none of the 43"):
        labels_of(["Marine waters"], 43)


@given(st.lists(st.sampled_from(sorted(FORTY_THREE))))
def test_every_image_gets_each_of_the_nineteen_at_most_once(names: list[str]) -> None:
    found = labels_of(names, 19)
    assert len(set(found)) == len(found)
    assert set(found) <= set(NINETEEN)
    assert bool(found) == any(n not in DROPPED for n in names)


def test_version_2(tmp_path: Path) -> None:
    bigearthnet.write(tmp_path)
    scenes, rejects = read(tmp_path, stretch=[0, 2000])
    assert Counter(s.split for s in scenes) == {"train": 6, "val": 3, "test": 3}
    assert [(r.code, r.path.rpartition("_")[2]) for r in rejects] == [("missing_image", "69")]
    first = scenes[0]
    assert first.path == f"BigEarthNet-S2/{TILE}/{TILE}_26_57/{TILE}_26_57_B04.tif"
    assert first.labels == ("urban fabric", "industrial or commercial units", "complex cultivation patterns")
    assert first.scene_class is None
    assert first.places == (("country", "Austria"),)
    assert first.captured == "2017-06-13T10:10:31Z"
    assert first.attributes == (("rendering", "bands B04, B03, B02: 0–2000 to 0–255"),)
    assert first.crs == "EPSG:32633"
    assert first.gsd == pytest.approx(10, rel=1e-3)
    # the central meridian of zone 33 is 15 degrees east; the patch reaches from there 1200 m to the east
    assert first.lon == pytest.approx(15.008, abs=1e-3)
    assert first.lat == pytest.approx(47.85, abs=0.02)
    assert read(tmp_path, present_only=True)[1] == []


def test_bands_4_3_and_2_are_red_green_and_blue(tmp_path: Path) -> None:
    write_v2(tmp_path, [row(1)])
    (scene,), _ = read(tmp_path, stretch=[0, 2000])
    bands = values(0)
    expected = np.stack([bands[b] for b in ("B04", "B03", "B02")], axis=-1).astype(np.float64) / 2000 * 255
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(scene.data or b""))), np.rint(expected.clip(0, 255)))


def test_version_1(tmp_path: Path) -> None:
    patches = {
        "S2A_MSIL2A_20170613T101031_61_39": ["Non-irrigated arable land", "Rice fields", "Water courses"],
        "S2A_MSIL2A_20170613T101031_61_40": ["Airports", "Vineyards"],
        "S2A_MSIL2A_20170613T101031_61_41": ["Airports"],
        "S2A_MSIL2A_20170613T101031_61_42": ["Moors"],
    }
    write_v1(tmp_path, patches)
    names = list(patches)
    (tmp_path / "bigearthnet-train.csv").write_text(
        f"{names[0]},S1A_IW_GRDH_1SDV_20170613T165043_33UUP_61_39\nother,x\n"
    )
    for split, name in (("val", names[1]), ("test", names[2])):
        (tmp_path / f"bigearthnet-{split}.csv").write_text(f"{name},S1A\n")
    scenes, rejects = read(tmp_path, official_split=True)
    assert [(s.labels, s.split) for s in scenes] == [
        (("arable land", "inland waters"), "train"),
        (("permanent crops",), "val"),
    ]
    assert [(r.code, r.path.rpartition("/")[2]) for r in rejects] == [
        ("no_label", names[2]),
        ("bad_annotation", names[3]),
    ]
    scenes, _ = read(tmp_path, classes=43)
    assert [(s.labels, s.split) for s in scenes][1:] == [(("airports", "vineyards"), None), (("airports",), None)]
    assert scenes[0].captured == "2017-06-13T10:10:31Z"
    assert scenes[0].attributes[0][1].count("–") == 4  # each band has its own percentiles


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"labels": "Pastures"}', '{"labels": [1]}', "[" * 100_000, "\xff"])
def test_a_broken_label_file_is_a_reject(text: str, tmp_path: Path) -> None:
    write_v1(tmp_path, {"S2A_1": ["Pastures"], "S2A_2": ["Pastures"]})
    (tmp_path / "BigEarthNet-v1.0/S2A_1/S2A_1_labels_metadata.json").write_text(text, encoding="latin-1")
    scenes, rejects = read(tmp_path)
    assert [s.key for s in scenes] == ["BigEarthNet-v1.0/S2A_2"]
    assert [(r.code, r.path) for r in rejects] == [("bad_annotation", "BigEarthNet-v1.0/S2A_1")]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"patch_id": "../../secret_1_2"}, "bad_annotation"),
        ({"patch_id": None}, "bad_annotation"),
        ({"patch_id": f"{TILE}_1_07"}, "duplicate_key"),
        ({"labels": None}, "bad_annotation"),
        ({"labels": ["pasture"]}, "bad_annotation"),
        ({"labels": []}, "no_label"),
        ({"split": "dev"}, "bad_annotation"),
    ],
)
def test_a_malformed_row_is_one_reject(facts: dict[str, Any], code: str, tmp_path: Path) -> None:
    write_v2(tmp_path, [row(1), row(2)])
    write_metadata(tmp_path, [row(1), row(2, **facts)])
    scenes, rejects = read(tmp_path)
    assert len(scenes) == 1
    assert [r.code for r in rejects] == [code]


def test_bands_of_different_size_or_broken_are_rejects(tmp_path: Path) -> None:
    write_v2(tmp_path, [row(1), row(2), row(3)])
    folder = tmp_path / "BigEarthNet-S2" / TILE
    name = f"{TILE}_1_07/{TILE}_1_07"
    (folder / f"{name}_B03.tif").write_bytes((folder / f"{name}_B11.tif").read_bytes())
    (folder / f"{TILE}_2_07/{TILE}_2_07_B02.tif").write_bytes(b"II*\0")
    _, rejects = read(tmp_path)
    assert [r.code for r in rejects] == ["unreadable_image", "unreadable_image"]
    assert "its bands differ in size: 120×120, 60×60, 120×120" in rejects[0].detail


def test_other_layouts_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no metadata\.parquet and no folder BigEarthNet-v1\.0/"):
        read(tmp_path)
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="no readable Parquet file"):
        read(tmp_path)
    write_v2(tmp_path, [row(1)])
    with pytest.raises(UserError, match="has only the 19 classes"):
        read(tmp_path, classes=43)
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"patch_id": ["a"]}), tmp_path / "metadata.parquet")
    with pytest.raises(UserError, match="has no column labels, split"):
        read(tmp_path)
