"""`geovec-eval compare` end to end: real differences are starred, equal encoders differ by nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from geovec_train.cli import eval_main
from geovec_train.evaluation.score_row import resampled, too_few_parents
from geovec_train.models.load import save_model
from geovec_train.models.tiny import build_tiny
from tests.fixtures.handmade import painted


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two evaluations of untrained encoders, and one of the first without its pictures."""
    home = tmp_path_factory.mktemp("compare a=b")
    data = painted(home / "data", scenes=18)
    for seed in (0, 1):
        save_model(build_tiny(["the red block", "field harbour"], seed=seed, side=56), home / f"m{seed}")
        assert eval_main([f"dataset={data}", f"model={home / f'm{seed}'}", "bootstrap=20"]) == 0
    assert eval_main([f"dataset={data}", f"model={home / 'm1'}", "bootstrap=20", "blind=image"]) == 0
    return home


def test_two_encoders(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home / "out" / "c.json"
    assert eval_main(["compare", str(home / "m0"), str(home / "m1" / "eval" / "data"), f"out={out}"]) == 0
    said = capsys.readouterr().out
    assert "text_to_image" in said
    found = json.loads(out.read_text())
    mine = json.loads((home / "m0" / "eval" / "data" / "scores.json").read_text())
    for row, scored in zip(found["pairs"][0]["rows"], mine["tasks"], strict=True):
        assert row["task"] == scored["task"]
        metric = row["metrics"]["R@5"]
        assert metric["first"] == pytest.approx(scored["metrics"]["R@5"]["value"])
        assert metric["difference"] == pytest.approx(metric["second"] - metric["first"])
        assert metric["low"] <= metric["difference"] <= metric["high"]


def test_too_few_parents_are_told_of(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "c.json"
    assert eval_main(["compare", str(home / "m0"), str(home / "m1"), f"out={out}"]) == 0
    note = "Too few parent images to resample: intervals resample single images and are too narrow ("
    assert f"note: {note}" in capsys.readouterr().out
    pair = json.loads(out.read_text())["pairs"][0]
    assert pair["notes"][0].startswith(note)
    assert {row["resampled_by"] for row in pair["rows"]} == {"image"}


def test_ten_parents_are_enough() -> None:
    parents, images = [f"p{n % 10}" for n in range(30)], [str(n) for n in range(30)]
    by, clusters = resampled(parents, images)
    assert (by, len(set(clusters))) == ("parent", 10)
    assert resampled(parents[:9], images[:9])[0] == "image"
    assert too_few_parents([{"task": "t", "resampled_by": by}, {"task": "u", "na": "why"}]) == []


def test_the_plain_one_of_several_evaluations_is_taken(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert eval_main(["compare", str(home / "m0"), str(home / "m1")]) == 0
    said = capsys.readouterr().out
    assert f"{home / 'm1'}: took data, the plain one of 2 evaluations" in said
    assert "m0: took" not in said  # it has only one


def test_several_of_which_none_is_plain(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("data.no_image", "data.no_image.again"):
        shutil.copytree(home / "m1" / "eval" / "data.no_image", tmp_path / "eval" / name)
    assert eval_main(["compare", str(home / "m0"), str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "several evaluations and none is plain; name one" in said
    for name in ("data", "other"):
        shutil.copytree(home / "m1" / "eval" / "data", tmp_path / "eval" / name)
    assert eval_main(["compare", str(home / "m0"), str(tmp_path)]) == 2
    assert "several evaluations; name one" in capsys.readouterr().err


def test_an_encoder_does_not_differ_from_itself(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    assert eval_main(["compare", str(home / "m0"), str(home / "m0"), f"out={out}"]) == 0
    for row in json.loads(out.read_text())["pairs"][0]["rows"]:
        assert {(m["difference"], m["low"], m["high"], m["real"]) for m in row["metrics"].values()} == {
            (0, 0, 0, False)
        }


def test_without_pictures_all_pictures_are_one(home: Path) -> None:
    scores = json.loads((home / "m1" / "eval" / "data.no_image" / "scores.json").read_text())
    rows = {(r["task"], r["scope"]): r for r in scores["tasks"]}
    captions = rows["text_to_image", "split"]
    assert captions["blind"] == "target without image"
    for metric in captions["metrics"].values():
        assert metric["value"] == pytest.approx(metric["chance"])
    assert scores["macro"]["metrics"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{m0}"], "two evaluations"),
        (["{m0}", "{home}"], "no scores.json"),
        (["{m0}", "{m0}", "botstrap=3"], "bootstrap"),
    ],
)
def test_mistakes(home: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    places = {"m0": str(home / "m0"), "m1": str(home / "m1"), "home": str(home)}
    assert eval_main(["compare", *(a.format(**places) for a in arguments)]) == 2
    assert said in capsys.readouterr().err
