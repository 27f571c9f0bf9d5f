from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from geovec_data.build.checks import CheckOptions, check
from geovec_data.records import Reject, Scene
from tests.fixtures import reading
from tests.fixtures.corpora.skyscript import meta, write
from tests.fixtures.photo_files import save

COLUMNS = {"image": "filepath", "captions": ["title", "title_multi_objects?"]}
read = partial(reading.read, "skyscript", files=("*.csv",), columns=COLUMNS)


def one(root: Path, content: bytes | None, name: str = "images2/a1_CH_19.jpg") -> Scene | Reject:
    save(root / name, 1, 40)
    (root / "a.csv").write_text(f"filepath,title\n{name},a farm\n")
    if content is not None:
        (root / "meta2").mkdir()
        (root / "meta2" / "a1_CH_19.pickle").write_bytes(content)
    scenes, rejects = read(root)
    (found,) = [*scenes, *rejects]
    return found


def test_the_meta_file_tells_place_time_and_tags(tmp_path: Path) -> None:
    scene = one(tmp_path, pickle.dumps(meta(0, 0.001)))
    assert isinstance(scene, Scene)
    assert scene.captured == "2019-07-10T10:05"
    assert scene.attributes == (("source", "CH"), ("landuse", "farmland"), ("crop", "rice"))
    assert scene.footprint == pytest.approx((8.5, 47.25, 8.5015, 47.25, 8.5015, 47.251, 8.5, 47.251))
    assert (scene.lon, scene.lat) == pytest.approx((8.50075, 47.2505))
    # 0.001° of latitude over 40 px is 2.78 m; 0.0015° of longitude at 47.25° is 2.83 m
    assert scene.gsd == pytest.approx(2.8, abs=0.05)
    assert check(scene, tmp_path, CheckOptions())[0] is not None


def test_without_a_meta_file_the_name_tells_the_year(tmp_path: Path) -> None:
    scene = one(tmp_path, None)
    assert isinstance(scene, Scene)
    assert (scene.captured, scene.lon, scene.gsd) == ("2019", None, None)
    other = one(tmp_path, None, "images2/other.jpg")
    assert isinstance(other, Scene)
    assert (other.captured, other.attributes) == (None, ())


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"box": (1, 2, 3)}, "bad_coordinate"),
        ({"box": (9, 2, 3, 4)}, "bad_coordinate"),
        ({"box": (1, 2, float("nan"), 4)}, "bad_coordinate"),
        ({"box": None}, "bad_coordinate"),
        ({"time": (2019, 7)}, "bad_annotation"),
        ({"time": "2019"}, "bad_annotation"),
        ({"center_tags": [1]}, "bad_annotation"),
    ],
)
def test_a_wrong_meta_file_refuses_the_image(changed: dict[str, Any], code: str, tmp_path: Path) -> None:
    reject = one(tmp_path, pickle.dumps(meta(0, 0.001) | changed))
    assert isinstance(reject, Reject)
    assert (reject.code, reject.path) == (code, "images2/a1_CH_19.jpg")
    assert "meta2/a1_CH_19.pickle" in reject.detail


@pytest.mark.parametrize("content", [b"", b"\x80", b"cos\nsystem\n(S'touch ran'\ntR.", pickle.dumps([1])])
def test_a_meta_file_of_another_kind_is_refused_unrun(content: bytes, tmp_path: Path) -> None:
    reject = one(tmp_path, content)
    assert isinstance(reject, Reject)
    assert reject.code in ("empty_file", "bad_annotation")


def test_a_meta_file_cannot_lead_out_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "meta2").mkdir(parents=True)
    (tmp_path / "secret.pickle").write_bytes(pickle.dumps(meta(0, 0.001)))
    (root / "meta2" / "a1_CH_19.pickle").symlink_to(tmp_path / "secret.pickle")
    reject = one(root, None)
    assert isinstance(reject, Reject)
    assert reject.code == "unsafe_path"


def test_a_changed_meta_file_is_seen(tmp_path: Path) -> None:
    write(tmp_path)
    make = partial(reading.make, "skyscript", tmp_path, files=("*.csv",), columns=COLUMNS, merge=True)
    files = {f for e in make().entries() for f in e.files}
    assert {"images2/w42_US_21.jpg", "meta2/w42_US_21.pickle"} <= files
    assert not {f for e in make(meta=False).entries() for f in e.files if f.startswith("meta")}
