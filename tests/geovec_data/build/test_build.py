"""The build as a user runs it, on a generated caption corpus in RSICD's layout."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geovec_data.build.build import run
from geovec_data.cli import main
from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault, UserError
from geovec_data.readers.base import Entry
from geovec_data.readers.karpathy import Karpathy
from geovec_data.recipe.compose import load_build
from geovec_data.records import Reject, Scene
from geovec_data.schema import BUILD_TABLES, arrow_schema
from geovec_data.store.catalog import ensure_catalog
from geovec_data.store.lock import exclusive
from geovec_data.verify import VerifyConfig
from geovec_data.verify import run as verify
from tests.fixtures.captions import write_corpus
from tests.fixtures.corpora import aid, eurosat_ms
from tests.fixtures.dataset import build


def snapshot(dataset: Path) -> dict[str, bytes]:
    """Every byte that must be equal: shards, manifest, card."""
    files = [p for t in BUILD_TABLES for p in (dataset / t).glob("*")] + [
        dataset / "manifest.json",
        dataset / "README.md",
    ]
    return {str(p.relative_to(dataset)): p.read_bytes() for p in files}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus dir = (~1)", images=36)


def arguments(corpus: Path, out: Path, *more: str) -> list[str]:
    return ["recipe=rsicd", f"source.root={corpus}", f"out={out}", "units=8", "workers=1", *more]


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


def test_second_run_does_nothing(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*arguments(corpus, out))
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.parquet")}
    summary = run(load_build(arguments(corpus, out), "geovec-data build"))
    assert summary["unchanged"]
    assert "nothing was done" in summary["human"][0]
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob("*.parquet")}


def test_one_changed_image_redoes_one_unit(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*arguments(corpus, out))
    victim = sorted((corpus / "RSICD_images").iterdir())[5]
    with Image.open(victim) as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(victim, quality=90)
    summary = run(load_build(arguments(corpus, out), "geovec-data build"))
    assert summary["units_done"] == 1
    assert snapshot(out) == snapshot(build(*arguments(corpus, tmp_path / "fresh")).path)


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


def test_rehash_hashes_the_file_where_a_reader_rendered_the_image(tmp_path: Path) -> None:
    eurosat_ms.write(tmp_path / "corpus")
    command = ["recipe=eurosat_ms", f"source.root={tmp_path / 'corpus'}", f"out={tmp_path / 'out'}", "workers=1"]
    command += ["checks.max_reject_fraction=1", "units=4", "rehash=true"]
    build(*command)
    for file in (tmp_path / "corpus").rglob("*.tif"):
        os.utime(file, (1, 1))
    assert run(load_build(command, "geovec-data build"))["units_done"] == 0


def test_rehash_sees_that_only_the_time_changed(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*arguments(corpus, out))
    for file in (corpus / "RSICD_images").iterdir():
        os.utime(file)
    assert run(load_build(arguments(corpus, out, "rehash=true"), "geovec-data build"))["units_done"] == 0


def test_a_new_split_keeps_the_units(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*arguments(corpus, out))
    summary = run(load_build(arguments(corpus, out, "split=image", "split.seed=3"), "geovec-data build"))
    assert not summary["unchanged"]
    assert set(summary["counts"]["images_by_split"]) <= {"train", "val", "test"}


def test_removed_record_leaves_nothing_behind(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*arguments(corpus, out))
    file = corpus / "dataset_rsicd.json"
    records = json.loads(file.read_text())
    records["images"] = records["images"][:5]
    file.write_text(json.dumps(records))
    build(*arguments(corpus, out))
    assert snapshot(out) == snapshot(build(*arguments(corpus, tmp_path / "fresh")).path)


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


def test_kill_at_any_moment_and_run_again(corpus: Path, tmp_path: Path) -> None:
    want = snapshot(build(*arguments(corpus, tmp_path / "whole")).path)
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "geovec_data.cli", "build", *arguments(corpus, out)[:-1], "workers=2"]
    killed = 0
    for target in ("staging", "staging/*/unit.json", "journal.jsonl", ".next/images/*", "splits/*"):
        process = subprocess.Popen(
            command, start_new_session=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        while process.poll() is None and not any(out.glob(target)):
            time.sleep(0.002)
        killed += process.poll() is None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        (out / "manifest.json").unlink(missing_ok=True)
    assert killed >= 3
    build(*arguments(corpus, out))
    assert snapshot(out) == want


@pytest.mark.parametrize("stage", ["unit rename", "journal", "final", "swap", "manifest"])
def test_death_at_each_stage_is_continued(
    corpus: Path, tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = snapshot(build(*arguments(corpus, tmp_path / "whole")).path)
    out = tmp_path / "dies"

    class Death(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Death

    target = {
        "unit rename": "geovec_data.build.unit.json.dumps",
        "journal": "geovec_data.store.journal.Journal.add",
        "final": "geovec_data.store.finalize.write_splits",
        "swap": "geovec_data.store.finalize.swap_in",
        "manifest": "geovec_data.store.card.card",
    }[stage]
    with monkeypatch.context() as patch:
        patch.setattr(target, die)
        with pytest.raises(Death):
            build(*arguments(corpus, out))
    assert not (out / "manifest.json").exists()
    build(*arguments(corpus, out))
    assert snapshot(out) == want


def test_finished_units_are_not_redone(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("geovec_data.store.finalize.finalize", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            build(*arguments(corpus, out))
    (out / "journal.jsonl").write_text('{"unit": "cut sh')  # even with the journal lost
    assert run(load_build(arguments(corpus, out), "geovec-data build"))["units_done"] == 0


def test_two_builds_into_one_directory(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with exclusive(out, "build"), pytest.raises(UserError, match="being written by another build"):
        build(*arguments(corpus, out))


@pytest.mark.parametrize("harm", ["missing", "moved", "unreadable", "stale"])
def test_catalog_is_rebuilt_with_a_notice(
    corpus: Path, tmp_path: Path, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out"))
    file = dataset.path / "catalog.duckdb"
    if harm == "missing":
        file.unlink()
    elif harm == "unreadable":
        file.write_bytes(b"no database")
    elif harm == "moved":
        dataset.path.rename(tmp_path / "moved")
        dataset = Dataset(tmp_path / "moved")
    else:
        with duckdb.connect(str(file)) as con:
            con.execute("UPDATE about SET value = 'old' WHERE key = 'digest'")
    capsys.readouterr()
    path = ensure_catalog(dataset)
    assert "rebuilt" in capsys.readouterr().err
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM images").fetchall() == [(36,)]
    ensure_catalog(dataset)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("harm", ["missing", "stale"])
def test_a_dataset_that_can_only_be_read_does_without_its_catalog(
    corpus: Path, tmp_path: Path, harm: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out"))
    file = dataset.path / "catalog.duckdb"
    if harm == "missing":
        file.unlink()
    else:
        with duckdb.connect(str(file)) as con:
            con.execute("UPDATE about SET value = 'old' WHERE key = 'digest'")
    before = file.read_bytes() if file.exists() else None

    def refuse(path: Path, *_: object, **__: object) -> None:  # root may write whatever the mode says
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    for name in ("unlink", "replace", "write_text", "write_bytes", "mkdir"):
        monkeypatch.setattr(Path, name, refuse)
    for command in ("stats", "verify"):
        capsys.readouterr()
        assert main([command, f"dataset={dataset.path}"]) == 0
        notices = [line for line in capsys.readouterr().err.splitlines() if "catalog" in line]
        assert len(notices) == 1
        assert "cannot be written ([Errno 30]" in notices[0]
    with dataset.connect() as con:
        assert con.execute("SELECT count(*) FROM images").fetchall() == [(36,)]
    assert (file.read_bytes() if file.exists() else None) == before


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


def test_disk_full_leaves_a_resumable_state(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from geovec_data.errors import ResourceFault
    from geovec_data.store import writer

    out = tmp_path / "out"
    written = 0
    original = writer.ShardWriter.write

    def write(self: writer.ShardWriter, table: pa.Table) -> None:
        nonlocal written
        written += 1
        if written > 5:
            raise OSError(28, "No space left on device")
        original(self, table)

    with monkeypatch.context() as patch:
        patch.setattr(writer.ShardWriter, "write", write)
        with pytest.raises(ResourceFault, match="no space left"):
            build(*arguments(corpus, out))
    build(*arguments(corpus, out))
    assert snapshot(out) == snapshot(build(*arguments(corpus, tmp_path / "whole")).path)


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("unshare"), reason="root may write anywhere")
def test_target_that_is_a_file_or_holds_other_things_is_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        build(*arguments(corpus, tmp_path / "file"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(UserError, match="holds other files"):
        build(*arguments(corpus, tmp_path / "full"))


def test_a_reader_that_raises_is_told_with_the_entry(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Karpathy, entry: Entry) -> Iterator[Scene | Reject]:
        raise ZeroDivisionError(entry.key)

    monkeypatch.setattr(Karpathy, "read", broken)
    with pytest.raises(ZeroDivisionError) as caught:
        build(*arguments(corpus, tmp_path / "out"))
    assert caught.value.__notes__ == [f"while the reader karpathy read {caught.value} of rsicd"]


def test_a_dataset_of_other_corpora_is_not_written_over(corpus: Path, tmp_path: Path) -> None:
    out = build(*arguments(corpus, tmp_path / "out")).path
    before = snapshot(out)
    aid.write(tmp_path / "aid")
    with pytest.raises(UserError, match=r"is a dataset of rsicd, and this build is of aid; give another out="):
        build("recipe=aid", f"source.root={tmp_path / 'aid'}", f"out={out}", "units=8", "workers=1")
    assert snapshot(out) == before


def test_images_without_a_position_are_owned_up_to_in_a_split_by_blocks(corpus: Path, tmp_path: Path) -> None:
    notes = build(*arguments(corpus, tmp_path / "out", "split=blocks")).manifest.notes
    assert any("split=blocks could not place 36 images" in note for note in notes)
    assert not any("No image is held out" in note for note in notes)


def test_a_split_that_holds_nothing_out_says_so(corpus: Path, tmp_path: Path) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out", "split=image", "split.val=0", "split.test=0"))
    assert any("No image is held out" in note for note in dataset.manifest.notes)


@pytest.mark.parametrize("damage", ["shard", "image", "missing shard", "stray"])
def test_verify_names_what_is_wrong(corpus: Path, tmp_path: Path, damage: str) -> None:
    dataset = build(*arguments(corpus, tmp_path / "out"))
    file = dataset.files("images" if damage == "image" else "items")[0]
    if damage == "missing shard":
        file.unlink()
    elif damage == "stray":
        shutil.copy(file, file.with_name("part-99999.parquet"))
    else:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0xFF
        file.unlink()  # the staged file is the same inode
        file.write_bytes(bytes(data))
    summary = verify(VerifyConfig(dataset=dataset.path))
    assert summary["failed"]
    name = "part-99999" if damage == "stray" else file.name
    assert any(name in f for f in summary["faults"])
