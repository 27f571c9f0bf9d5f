"""What a build writes over, and what it leaves alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from geovec_data.build.build import run
from geovec_data.errors import UserError
from geovec_data.recipe.compose import load_build
from geovec_data.store.lock import exclusive
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from tests.fixtures.captions import write_corpus
from tests.fixtures.corpora import aid
from tests.fixtures.dataset import build
from tests.fixtures.rebuilt import arguments, snapshot


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus", images=12)


@pytest.mark.parametrize(
    "files",
    [
        ("staging/mine.txt", "images/photo.jpg"),
        (".lock", "images/photo.jpg"),
        ("staging/a-00000/unit.json", "examples/part-00000.parquet"),
        ("journal.jsonl", "images/photo.jpg"),
        ("manifest.json/x", "images/photo.jpg"),
        ("staging/photos/1.jpg",),
        ("staging/notes.txt",),
        ("staging",),
        (".lock", "journal.jsonl"),
    ],
)
def test_a_folder_that_is_no_datasets_is_refused_and_stays(
    corpus: Path, tmp_path: Path, files: tuple[str, ...]
) -> None:
    out = tmp_path / "user"
    for file in files:
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        (out / file).write_text("dear diary")
    with pytest.raises(UserError, match="holds other files and no dataset"):
        build(*arguments(corpus, out))
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == sorted(files)
    assert all((out / file).read_text() == "dear diary" for file in files)


@pytest.mark.parametrize("journal", [None, "", '{"un', '{"unit": "rsicd-000'])
def test_a_folder_whose_build_died_early_is_continued(corpus: Path, tmp_path: Path, journal: str | None) -> None:
    out = tmp_path / "out"
    (out / "staging" / ".rsicd-00003.some.host.123").mkdir(parents=True)
    (out / ".lock").write_text("123")
    if journal is not None:
        (out / "journal.jsonl").write_text(journal)
    assert build(*arguments(corpus, out)).manifest.counts["rows"]["images"] == 12


def test_a_build_whose_units_lost_their_lines_is_continued_from_within_the_swap(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    want = snapshot(build(*arguments(corpus, out)).path)
    for file in ("manifest.json", "journal.jsonl", "summary.json", "README.md", "catalog.duckdb"):
        (out / file).unlink()
    for table in out.iterdir():
        if table.is_dir() and table.name != "staging":
            for part in table.iterdir():
                part.unlink()
            table.rmdir()
    with monkeypatch.context() as patch:  # the tables are in place and nothing else is
        patch.setattr("geovec_data.build.build.reject_verdict", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(load_build(arguments(corpus, out), "geovec-data build"))
    assert (out / "images").is_dir()
    assert run(load_build(arguments(corpus, out), "geovec-data build"))["units_done"] == 0
    assert snapshot(out) == want


@pytest.mark.parametrize("harm", ["missing", "truncated", "image", "linked image", "linked image flipped"])
def test_a_damaged_dataset_is_not_up_to_date_and_is_mended(
    corpus: Path, tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if "linked" in harm:
        monkeypatch.setattr("geovec_data.store.image_shards.SMALL_UNIT", 1)
    out = tmp_path / "out"
    want = snapshot(build(*arguments(corpus, out)).path)
    file = next(iter(sorted((out / ("images" if "image" in harm else "pool")).iterdir())))
    if "flipped" in harm:  # in the staged file too, which is the same one; its user removes what verify names
        with file.open("r+b") as handle:
            handle.seek(100)
            handle.write(b"????")
        assert verify(VerifyConfig(dataset=out))["failed"]
    if harm in ("missing", "linked image flipped"):
        file.unlink()
    else:
        os.truncate(file, 100)
    capsys.readouterr()
    summary = run(load_build(arguments(corpus, out), "geovec-data build"))
    assert not summary["unchanged"]
    assert summary["units_done"] == ("linked" in harm)
    assert f"build: {file.relative_to(out)} " in capsys.readouterr().err
    assert snapshot(out) == want
    assert verify(VerifyConfig(dataset=out))["faults"] == []
    assert run(load_build(arguments(corpus, out), "geovec-data build"))["unchanged"]


def test_two_builds_into_one_directory(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with exclusive(out, "build"), pytest.raises(UserError, match="being written by another build"):
        build(*arguments(corpus, out))


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("unshare"), reason="root may write anywhere")
def test_target_that_is_a_file_or_holds_other_things_is_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        build(*arguments(corpus, tmp_path / "file"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(UserError, match="holds other files"):
        build(*arguments(corpus, tmp_path / "full"))


def test_a_dataset_of_other_corpora_is_not_written_over(corpus: Path, tmp_path: Path) -> None:
    out = build(*arguments(corpus, tmp_path / "out")).path
    before = snapshot(out)
    aid.write(tmp_path / "aid")
    with pytest.raises(UserError, match=r"is a dataset of rsicd, and this build is of aid; give another out="):
        build("recipe=aid", f"source.root={tmp_path / 'aid'}", f"out={out}", "units=8", "workers=1")
    assert snapshot(out) == before
