"""The DuckDB catalog: made again where it is not right, and done without where it cannot be."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import duckdb
import pytest

from geovec_data.cli import main
from geovec_data.dataset import Dataset
from geovec_data.store.catalog import ensure_catalog
from tests.fixtures.captions import write_corpus
from tests.fixtures.dataset import build
from tests.fixtures.rebuilt import arguments


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus dir = (~1)", images=36)


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
