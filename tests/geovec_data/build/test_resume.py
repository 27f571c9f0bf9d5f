"""What a build finds done: run again, changed a little, killed, or out of disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from geovec_data.build.build import run
from geovec_data.recipe.compose import load_build
from tests.fixtures.captions import write_corpus
from tests.fixtures.corpora import eurosat_ms
from tests.fixtures.dataset import build
from tests.fixtures.rebuilt import arguments, snapshot


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus dir = (~1)", images=36)


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
