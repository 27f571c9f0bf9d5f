"""The build as a user runs it, on a generated caption corpus in RSICD's layout."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from geovec_data.build.build import run
from geovec_data.errors import DataFault
from geovec_data.readers.base import Entry
from geovec_data.readers.karpathy import Karpathy
from geovec_data.recipe.compose import load_build
from geovec_data.records import Reject, Scene
from geovec_data.schema import BUILD_TABLES, arrow_schema
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from tests.fixtures.captions import write_corpus
from tests.fixtures.corpora import aid
from tests.fixtures.dataset import build
from tests.fixtures.rebuilt import arguments, snapshot


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus dir = (~1)", images=36)


def test_tables_follow_the_schema_and_refer_to_each_other(corpus: Path, tmp_path: Path) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out"))
    for table in BUILD_TABLES:
        for file in dataset.files(table):
            assert pq.read_schema(file).equals(arrow_schema(table)), table
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []
    counts = dataset.manifest.counts
    assert counts["rows"]["images"] == 36
    assert counts["tasks"]["image_to_text"] == {"train": 24, "val": 12}
    # 108 captions in few words: one example for each in a split, with all the images that it is said of
    assert counts["tasks"]["text_to_image"] == {"train": 19, "val": 11}
    assert counts["joined_queries"]["joined"] == 108 - 19 - 11


def test_images_are_stored_as_they_are(corpus: Path, tmp_path: Path) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out"))
    paths = {r["path"]: r["id"] for b in dataset.scan("images", ["id", "path"]) for r in b.to_pylist()}
    for path, image in paths.items():
        assert dataset.images.get(image) == (corpus / path).read_bytes()


def test_any_number_of_workers_and_any_root_give_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    one = build(*arguments(corpus, tmp_path / "one"))
    moved = tmp_path / "elsewhere"
    shutil.copytree(corpus, moved)
    three = build(*arguments(moved, tmp_path / "three")[:-1], "workers=3")
    assert snapshot(one.path) == snapshot(three.path)


def test_a_name_that_is_no_unicode_is_refused_and_the_build_goes_on(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    aid.write(corpus)
    bad = os.fsencode(corpus / "AID" / "Airport") + b"/\xff.jpg"
    try:
        Path(os.fsdecode(bad)).write_bytes((corpus / "AID" / "Airport" / "airport_1.jpg").read_bytes())
    except OSError:
        pytest.skip("this file system takes no such name")
    command = ["recipe=aid", f"source.root={corpus}", f"out={tmp_path / 'out'}", "workers=1", "units=4"]
    dataset = build(*command, "checks.max_reject_fraction=1")
    assert dataset.manifest.counts["rows"]["images"] == 16
    rows = pq.read_table(dataset.files("rejects")).to_pylist()
    assert [(r["code"], r["path"]) for r in rows] == [("no_unicode", "AID/Airport/\\udcff.jpg")]
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []


def test_duplicate_image_is_kept_once_and_its_captions_are_joined(corpus: Path, tmp_path: Path) -> None:
    file = corpus / "dataset_rsicd.json"
    records = json.loads(file.read_text())
    first = records["images"][0]
    copy = json.loads(json.dumps(first)) | {"filename": "square_900.jpg", "imgid": 900}
    copy["sentences"] = [{**copy["sentences"][0], "raw": "another sentence about it", "imgid": 900}]
    records["images"].append(copy)
    file.write_text(json.dumps(records))
    shutil.copy(corpus / "RSICD_images" / first["filename"], corpus / "RSICD_images" / "square_900.jpg")
    dataset = build(*arguments(corpus, tmp_path / "out"))
    assert dataset.manifest.counts["rows"]["images"] == 36
    assert dataset.manifest.counts["rejects"]["duplicate_image"] == 1
    con = dataset.connect()
    positives = con.execute(
        "SELECT count(*) FROM qrels q JOIN examples e ON e.id = q.example JOIN images i ON i.id = e.image"
        " WHERE e.task = 'image_to_text' AND i.path LIKE ?", [f"%{first['filename']}"]
    ).fetchall()  # fmt: skip
    assert positives == [(4,)]
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []


def test_too_many_faults_fail_the_build_and_are_listed(corpus: Path, tmp_path: Path) -> None:
    for file in sorted((corpus / "RSICD_images").iterdir())[:6]:
        file.write_bytes(file.read_bytes()[:200])
    out = tmp_path / "out"
    with pytest.raises(DataFault, match=r"6 of 36 scenes are faulty .*, e\.g\. RSICD_images/.*: "):
        build(*arguments(corpus, out))
    assert not (out / "manifest.json").exists()
    assert json.loads((out / "summary.json").read_text())["counts"]["rejects_by_level"]["scene"]
    rejects = pq.read_table(out / "rejects").to_pylist()
    assert len([r for r in rejects if r["level"] == "scene"]) == 6
    build(*arguments(corpus, out, "checks.max_reject_fraction=0.2"))
    assert (out / "manifest.json").exists()


def test_dry_run_writes_nothing(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = run(load_build(arguments(corpus, out, "dry_run=true"), "geovec-data build"))
    assert summary["entries"] == 36
    assert not out.exists()


def test_a_reader_that_raises_is_told_with_the_entry(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Karpathy, entry: Entry) -> Iterator[Scene | Reject]:
        raise ZeroDivisionError(entry.key)

    monkeypatch.setattr(Karpathy, "read", broken)
    with pytest.raises(ZeroDivisionError) as caught:
        build(*arguments(corpus, tmp_path / "out"))
    assert caught.value.__notes__ == [f"while the reader karpathy read {caught.value} of rsicd"]


def test_images_without_a_position_are_owned_up_to_in_a_split_by_blocks(corpus: Path, tmp_path: Path) -> None:
    notes = build(*arguments(corpus, tmp_path / "out", "split=blocks")).manifest.notes
    assert any("split=blocks could not place 36 images" in note for note in notes)
    assert not any("No image is held out" in note for note in notes)


def test_a_split_that_holds_nothing_out_says_so(corpus: Path, tmp_path: Path) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out", "split=image", "split.val=0", "split.test=0"))
    assert any("No image is held out" in note for note in dataset.manifest.notes)
