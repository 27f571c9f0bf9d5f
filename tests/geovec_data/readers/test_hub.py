from __future__ import annotations

from functools import partial
from pathlib import Path

import datasets
import pytest

from geovec_data.build.checks import CheckOptions, check
from geovec_data.errors import UserError
from tests.fixtures import reading
from tests.fixtures.photo_files import encoded, save
from tests.fixtures.tars import write_tar

COLUMNS = {"captions": ["caption"], "scene_class": "label"}
read = partial(reading.read, "hub", columns=COLUMNS)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def made(count: int, first: int = 0) -> datasets.Dataset:
    cells = [{"bytes": encoded(first + i, 16), "path": f"pond_{first + i}.jpg"} for i in range(count)]
    features = datasets.Features(
        image=datasets.Image(), caption=datasets.Value("string"), label=datasets.ClassLabel(names=["bare_land", "pond"])
    )
    rows = {"image": cells, "caption": [f"caption {i}" for i in range(count)], "label": [i % 2 for i in range(count)]}
    return datasets.Dataset.from_dict(rows, features=features)


def test_a_saved_dataset(tmp_path: Path) -> None:
    root = tmp_path / "saved"
    datasets.DatasetDict({"train": made(70), "validation": made(2, 70)}).save_to_disk(str(root))
    entries = list(reading.make("hub", root, columns=COLUMNS).entries())
    assert [e.key for e in entries] == ["train#000000000", "train#000000064", "validation#000000000"]
    scenes, rejects = read(root)
    assert not rejects
    assert len(scenes) == 72
    assert scenes[1].key == "train/000000001/pond_1.jpg"
    assert (scenes[1].data, scenes[1].scene_class, scenes[1].split) == (encoded(1, 16), "pond", "train")
    assert scenes[-1].split == "val"
    assert check(scenes[0], root, CheckOptions())[0] is not None


def test_parquet_that_datasets_wrote(tmp_path: Path) -> None:
    root = tmp_path / "p"
    (root / "data").mkdir(parents=True)
    made(3).to_parquet(str(root / "data" / "train-00000-of-00001.parquet"))
    scenes, rejects = read(root)
    assert not rejects
    assert [(s.data, s.captions, s.scene_class) for s in scenes] == [
        (encoded(i, 16), (f"caption {i}",), ("bare land", "pond")[i % 2]) for i in range(3)
    ]


def test_an_image_folder_keeps_its_files(tmp_path: Path) -> None:
    root = tmp_path / "f"
    for i, kind in enumerate(("pond", "bare_land")):
        save(root / "train" / kind / f"{kind}_{i}.jpg", i, 16)
        save(root / "test" / kind / f"{kind}_{i}.jpg", 10 + i, 16)
    scenes, rejects = read(root, columns={"scene_class": "label"})
    assert not rejects
    assert {(s.path, s.scene_class, s.split, s.data) for s in scenes} == {
        (f"{split}/{kind}/{kind}_{i}.jpg", kind.replace("_", " "), split, None)
        for split in ("train", "test")
        for i, kind in enumerate(("pond", "bare_land"))
    }


def test_a_root_behind_a_link_keeps_its_names(tmp_path: Path) -> None:
    save(tmp_path / "real" / "train" / "pond" / "pond_0.jpg", 0, 16)
    save(tmp_path / "real" / "train" / "lake" / "lake_0.jpg", 1, 16)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    scenes, _ = read(tmp_path / "link", columns={"scene_class": "label"})
    assert sorted(s.path for s in scenes) == ["train/lake/lake_0.jpg", "train/pond/pond_0.jpg"]


def test_columns_and_layouts_are_told(tmp_path: Path) -> None:
    made(1).save_to_disk(str(tmp_path / "s"))
    with pytest.raises(UserError, match=r"no column 'captions'\. Did you mean 'caption'"):
        read(tmp_path / "s", columns={"captions": ["captions"]})
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"datasets cannot load .* Found: nothing"):
        read(tmp_path / "empty")


def test_scripts_pickles_and_tars_are_refused(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    script = tmp_path / "script"
    script.mkdir()
    (script / "script.py").write_text(f"open({str(ran)!r}, 'w')\n")
    with pytest.raises(UserError):
        read(script)
    assert not ran.exists()
    write_tar(tmp_path / "w" / "a.tar", [("0.jpg", encoded(0, 16)), ("0.txt", b"a")])
    with pytest.raises(UserError, match=r"'webdataset'.*reader\.name=webdataset"):
        read(tmp_path / "w")


def test_another_folder_gives_the_same_scenes(tmp_path: Path) -> None:
    made(3).save_to_disk(str(tmp_path / "a"))
    made(3).save_to_disk(str(tmp_path / "b"))
    assert read(tmp_path / "a") == read(tmp_path / "b")
