"""The commands as a user types them: mistakes give one message, exit code 2 and no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from geovec_data import __version__
from geovec_data.cli import main
from geovec_train.cli import eval_main, train_main
from tests.fixtures.captions import write_corpus
from tests.fixtures.dataset import caption_dataset

PROGRAMS = {"data": main, "train": train_main, "eval": eval_main}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    caption_dataset(folder)
    newer = folder / "newer"
    newer.mkdir()
    (newer / "manifest.json").write_text('{"schema_version": 99}')
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize(
    ("program", "line", "words"),
    [
        ("data", "bulid", "Did you mean 'build'"),
        ("data", "build recipe=rsgv out=x", "Did you mean 'rsvg'"),
        ("data", "build out=x", "recipe=… is needed"),
        ("data", "describe", "give recipe=NAME, or reader=NAME"),
        ("data", "describe reader=yolo", "Did you mean 'yolo_txt'"),
        ("data", "build recipe=rsicd out=x", "source.root=<folder>"),
        ("data", "build recipe=rsvg out=x", "source=sample"),
        ("data", "build recipe=rsicd sorce.root=x out=x", "Did you mean 'source.root'"),
        ("data", "build recipe=rsicd source.root={place}/none out=x", "does not exist"),
        ("data", "build recipe=rsvg source.root={place}/corpus out={place}/x", "not of the expected layout"),
        ("data", "build recipe=rsicd source.root={place}/corpus out={place}/x split.metod=image", "'split.method'"),
        (
            "data",
            "build recipe=rsicd source.root={place}/corpus out={place}/x checks.min_visble=0",
            "'checks.min_visible'",
        ),
        ("data", "build recipe=rsicd source.root={place}/corpus out={place}/x tasks=[image_to_txt]", "'image_to_text'"),
        ("data", "build recipe=rsicd source.root={place}/corpus out={place}/x split.train=2", "split.train"),
        ("data", "build recipe=rsicd source=sample out=x", "no sample"),
        ("data", "stats dataset={place}/empty", "not a GeoVec dataset"),
        ("data", "verify dataset={place}/none", "no such directory"),
        ("data", "stats dataset={place}/newer", "schema version 99"),
        ("data", "mine dataset={place}/dataset encoder={place}/none run=r", "no such folder"),
        ("data", "mine dataset={place}/dataset encoder={place}/empty run=r", "empty"),
        ("data", "report dataset={place}/dataset model={place}/none", "none"),
        ("train", "dataset={place}/dataset model={place}/none out={place}/x", "no such folder"),
        ("train", "dataset={place}/dataset modle=tiny out={place}/x", "Did you mean 'model'"),
        ("train", "dataset={place}/dataset tasks=[scene_clas] out={place}/x", "scene_class"),
        ("train", "dataset={place}/dataset negatives=gone out={place}/x", "gone"),
        ("train", "dataset={place}/newer out={place}/x", "schema version 99"),
        ("eval", "dataset={place}/dataset model={place}/dataset", "holds no model"),
        ("eval", "dataset={place}/dataset model={place}/none", "none"),
    ],
)
def test_mistakes(program: str, line: str, words: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert PROGRAMS[program]([a.format(place=place) for a in line.split()]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_every_program_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    for program in (main, train_main, eval_main):
        assert program(["--version"]) == 0
        assert capsys.readouterr().out == f"geovec {__version__}\n"


@pytest.mark.parametrize(
    "line", ["--help", "list", "describe recipe=osm", "build --help", "mine --help", "report --help"]
)
def test_help_is_enough_to_find_the_way(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) >= 5


def test_describe_tells_the_options_of_compositions_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "recipe=patterncom"]) == 0
    assert "compose.per_image" in capsys.readouterr().out
    assert main(["describe", "recipe=rsicd"]) == 0
    assert "compose.per_image" not in capsys.readouterr().out


def test_every_option_has_a_description() -> None:
    from geovec_data.help import _model
    from geovec_data.options import help_lines
    from geovec_train.config import TrainConfig
    from geovec_train.evaluation.evaluate import EvalConfig

    models = [m for m in map(_model, ("build", "mine", "report", "stats", "verify", "describe")) if m]
    for model in [*models, TrainConfig, EvalConfig]:
        for line in help_lines(model):
            name, _, rest = line.strip().partition(" ")
            assert len(rest.strip().partition("[")[0]) > 5, f"{model.__name__}.{name} has no description"


@pytest.mark.parametrize("program", ["train", "eval"])
def test_help_of_training_and_evaluation(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert PROGRAMS[program](["--help"]) == 0
    assert "dataset" in capsys.readouterr().out


def test_odd_paths_work_through_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = tmp_path / "a b=c ~d (1)"
    write_corpus(odd / "in", images=12)
    assert main(["build", "recipe=rsicd", f"source.root={odd / 'in'}", f"out={odd / 'out'}", "workers=1"]) == 0
    assert main(["stats", f"dataset={odd / 'out'}"]) == 0
    assert main(["verify", f"dataset={odd / 'out'}"]) == 0
    assert json.loads((odd / "out" / "summary.json").read_text())["counts"]["rows"]["images"] == 12


def test_interrupt_says_how_to_continue(tmp_path: Path) -> None:
    root = write_corpus(tmp_path / "corpus", images=400, size=256)
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "geovec_data.cli",
        "build",
        "recipe=rsicd",
        f"source.root={root}",
        f"out={out}",
        "workers=2",
        "units=200",  # of two images each: many moments to be interrupted at
    ]
    # a suite that runs in the background has SIGINT ignored, and hands that down; resetting it takes no lock
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ, preexec_fn=heard)  # noqa: PLW1509
    while process.poll() is None and not any(out.glob("staging/*/unit.json")):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert main(command[3:]) == 0


@pytest.mark.parametrize("after", [0.1, 0.25, 0.5])  # of what loads beside it: while Python starts, and in imports
def test_ctrl_c_while_a_build_loads_is_told_without_a_traceback(tmp_path: Path, after: float) -> None:
    command = [sys.executable, "-c", _LOADING, "geovec-data", "build", "recipe=rsicd", "out=o", "source.root=absent"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    own: dict[str, Any] = {"cwd": tmp_path, "start_new_session": True, "preexec_fn": heard}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **own)
    assert process.stderr is not None
    assert process.stderr.readline() == "begun\n"
    time.sleep(after)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to what loads beside it as well
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said


_LOADING = """
import sys, time
from geovec_data import cli
from geovec_data.build import forking

def loading(arguments):
    early(arguments)
    print("begun", file=sys.stderr, flush=True)
    time.sleep(30)

early, forking.warm_up_early = forking.warm_up_early, loading
sys.exit(cli.main(sys.argv[2:]))
"""


def test_readers_are_described_for_recipes_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "reader=yolo_txt"]) == 0
    told = capsys.readouterr().out
    assert "classes.names" in told
    assert "reader.split_files" in told
    assert "simd" in told
    assert main(["list"]) == 0
    assert "yolo_txt" in capsys.readouterr().out
