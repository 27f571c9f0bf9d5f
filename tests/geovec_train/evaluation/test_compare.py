"""`geovec-eval compare` end to end: real differences are starred, equal encoders differ by nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geovec_train.cli import eval_main
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
        (["{m0}", "{m1}"], "several evaluations"),
        (["{m0}", "{m0}", "botstrap=3"], "bootstrap"),
    ],
)
def test_mistakes(home: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    places = {"m0": str(home / "m0"), "m1": str(home / "m1"), "home": str(home)}
    assert eval_main(["compare", *(a.format(**places) for a in arguments)]) == 2
    assert said in capsys.readouterr().err
