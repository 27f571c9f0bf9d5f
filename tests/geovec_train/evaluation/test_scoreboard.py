"""The tables of scores: rows of corpora and meta-tasks, and texts of strangers in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geovec_data.dataset import Dataset
from geovec_data.records import Segment
from geovec_train.evaluation.evaluate import EvalConfig, run
from geovec_train.evaluation.macro import macro
from geovec_train.evaluation.scoreboard import markdown
from tests.fixtures.handmade import Book, Painting
from tests.geovec_train.evaluation.placed import oracle, put_in_place, rows_of


def test_corpora_and_meta_tasks_have_rows_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Book("land")
    for n in range(6):
        book.corpus = "land" if n < 4 else "sea"
        image = book.image(Painting(f"{n}.png", background=(n, 0, 0), split="test"))
        picture, text = (Segment.of_image(image),), (Segment.of_text(f"scene number {n}"),)
        book.example("text_to_image", text, [picture], image=image, split="test")
        book.example("image_to_text", picture, [text], image=image, split="test")
    path = book.write(tmp_path / "d")

    def half(dataset: Dataset, ids: list[str], is_query: bool) -> np.ndarray:
        """Right for the corpus of the land; at the sea everything is alike."""
        con = dataset.connect()
        sea = {r[0] for r in con.execute("SELECT query FROM examples WHERE corpus = 'sea'").fetchall()}
        con.close()
        out = oracle(dataset, ids, is_query)
        return np.array([np.ones_like(v) / len(v) ** 0.5 if i in sea else v for i, v in zip(ids, out, strict=True)])

    put_in_place(monkeypatch, half)
    summary = run(EvalConfig(dataset=path, model="half", out=tmp_path / "o", bootstrap=0))
    row = rows_of(summary)["text_to_image", "split"]
    assert {n: part["queries"] for n, part in row["corpora"].items()} == {"land": 4, "sea": 2}
    assert row["corpora"]["land"]["metrics"]["P@1"]["value"] > row["corpora"]["sea"]["metrics"]["P@1"]["value"]
    whole = sum(p["queries"] * p["metrics"]["P@1"]["value"] for p in row["corpora"].values()) / 6
    assert whole == pytest.approx(row["metrics"]["P@1"]["value"])
    page = (tmp_path / "o" / "scores.md").read_text()
    for line in (
        "| · land | 6 of the split | 4 |",
        "| **cross_modal** | mean of 2 tasks |",
        "| **all** | mean of 1 meta-",
    ):
        assert line in page
    assert any("without classification, compositional" in n for n in summary["notes"])


def test_a_text_of_strangers_does_not_break_the_table() -> None:
    row = {"task": "t", "meta_task": "m", "scope": None, "na": "a | b\nc <script>", "metrics": {}}
    page = markdown(
        {
            "model": "m|<b>",
            "dataset": "d",
            "split_note": "split test",
            "tasks": [row],
            "notes": ["x\ny <i>"],
            "macro": macro([row]),
        }
    )
    assert "| t | n/a: a \\| b c &lt;script> | |" in page
    assert "- x y &lt;i>" in page
    assert "<b>" not in page
