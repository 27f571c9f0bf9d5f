"""Paths as users write them: names that begin with ``~``, letters that are patterns to DuckDB, empty values."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from geovec_data.cli import main
from geovec_data.paths import expanded
from geovec_train.cli import eval_main, train_main
from tests.fixtures.captions import write_corpus

PROGRAMS = {"data": main, "train": train_main, "eval": eval_main}
BUILD = "build recipe=rsicd source.root=~s workers=1 units=2 out="


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory; the home is another."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("~", "{home}"),
        ("~/x", "{home}/x"),
        ("~x", "{here}/~x"),
        ("~root/x", "{here}/~root/x"),
        ("./~/x", "{here}/~/x"),
        ("a/~x", "a/~x"),
        ("x", "x"),
    ],
)
def test_only_a_tilde_by_itself_is_the_home(path: str, meant: str, here: Path) -> None:
    assert expanded(path) == Path(meant.format(here=here, home=here.parent / "home"))


def test_names_that_begin_with_a_tilde_are_literal_in_every_command(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_corpus(here / "~s", images=12)
    for command in (
        f"{BUILD}~root",  # of a user who has a home
        f"{BUILD}plain",
        "stats dataset=~root",
        "verify dataset=~root",
        "report dataset=~root out=~r.html",
        "export dataset=~root out=~e format=hf",
    ):
        assert main(command.split()) == 0, capsys.readouterr().err
    tiny = "model=tiny steps=1 batch=4 side=56 device=cpu tasks=[text_to_image]"
    assert train_main(f"dataset=~root out=~w {tiny}".split()) == 0, capsys.readouterr().err
    assert train_main(f"dataset=~root out=~v {tiny.replace('tiny', '~w')}".split()) == 0, capsys.readouterr().err
    assert eval_main(["dataset=~root", "model=~w", "device=cpu", "bootstrap=0"]) == 0, capsys.readouterr().err
    assert main(["mine", "dataset=~root", "encoder=~w", "tasks=[text_to_image]"]) == 0, capsys.readouterr().err
    assert main(["report", "dataset=~root", "model=~w", "out=~r.html"]) == 0, capsys.readouterr().err
    assert list((here / "~w" / "eval").glob("*/scores.json"))
    assert {p.name for p in here.iterdir()} >= {"~s", "~root", "~e", "~w", "~v", "~r.html"}
    assert not list((here.parent / "home").glob("*"))
    for name in ("manifest.json", "README.md"):
        assert (here / "~root" / name).read_bytes() == (here / "plain" / name).read_bytes()
        assert str(here) not in (here / "~root" / name).read_text()


@pytest.mark.parametrize("name", ["a?b", "a\\b", "a*b[1]"])
def test_letters_that_are_patterns_to_duckdb(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_corpus(here / "~s", images=12)
    assert main([*BUILD.split()[:-1], f"out={name}"]) == 0
    assert ("catalog: cannot be written (DuckDB" in capsys.readouterr().err) == (name != "a*b[1]")
    assert main(["stats", f"dataset={name}"]) == 0
    assert main(["verify", f"dataset={name}"]) == 0
    assert {p.name for p in here.iterdir()} == {"~s", name}


@pytest.mark.parametrize(
    ("program", "line", "option"),
    [
        ("data", "build recipe=rsicd source.root= out=x", "source.root="),
        ("data", "build recipe=rsicd source.root=x out=", "out="),
        ("data", "build recipe=rsicd source.root=x out=''", "out="),
        ("data", "build recipe=osm source.imagery= source.labels=x out=x", "source.imagery="),
        ("data", "build recipe=osm source.imagery=x source.labels= out=x", "source.labels="),
        ("data", "build recipe=[rsicd,rsvg] sources.rsvg.root= out=x", "sources.rsvg.root="),
        ("data", "stats dataset=", "dataset="),
        ("data", "verify dataset=", "dataset="),
        ("data", "mine dataset=x encoder=", "encoder="),
        ("data", "audit dataset=", "dataset="),
        ("data", "export dataset=x out=", "out="),
        ("data", "report dataset=x scores=", "scores="),
        ("train", "dataset=x out=", "out="),
        ("train", "dataset=x out=y model=", "model="),
        ("eval", "dataset=x model=", "model="),
        ("eval", "compare a b out=", "out="),
    ],
)
def test_an_empty_value_is_not_the_current_directory(
    program: str, line: str, option: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert PROGRAMS[program](line.split()) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"{option} is empty" in said[0]
    assert not list(here.iterdir())


def test_an_empty_folder_to_compare_is_not_the_current_directory(capsys: pytest.CaptureFixture[str]) -> None:
    assert eval_main(["compare", "", "b"]) == 2
    assert "is empty" in capsys.readouterr().err


def test_an_empty_path_in_a_recipe_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from geovec_data.recipe.files import find_recipe

    shutil.copy(find_recipe("rsicd"), here / "~own.yaml")
    with (here / "~own.yaml").open("a") as file:
        file.write("\nsource:\n  root: ${oc.env:GEOVEC_NOT_SET,''}\n")
    assert main(["build", "recipe=~own.yaml", "out=x"]) == 2
    assert "source.root='': an empty path" in capsys.readouterr().err
