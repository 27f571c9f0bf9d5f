"""Candidates of questions are their kind's answers; of compositions every image but the query's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from geovec_data.dataset import Dataset
from geovec_data.ids import item_id
from geovec_data.mining.mine import MineConfig, run
from geovec_data.records import Segment, Segments
from tests.fixtures.handmade import Book, Painting
from tests.fixtures.vectors import decided


def text(words: str) -> Segments:
    return (Segment.of_text(words),)


def mined(dataset: Path, folder: Path, seed: int = 0) -> dict[str, set[str]]:
    """Mine with an encoder of random vectors; example id → its negatives, as item ids."""
    rng = np.random.default_rng(seed)
    ids = Dataset(dataset).read("items", ["id"]).column("id").to_pylist()
    encoder = decided(dataset, folder, {i: rng.normal(size=8) for i in ids})
    options = {"dataset": dataset, "encoder": encoder, "device": "cpu", "k": 20, "policy": {"relative_margin": None}}
    run(MineConfig.model_validate(options))
    out: dict[str, set[str]] = {}
    for row in pq.read_table(dataset / "mining/default/negatives.parquet").to_pylist():
        out.setdefault(row["example"], set()).add(row["item"])
    return out


def test_negatives_of_a_question_are_answers_to_its_kind(tmp_path: Path) -> None:
    book = Book()
    examples: dict[str, list[str]] = {"count": [], "presence": []}
    for n, (split, kind, answer) in enumerate(
        [
            ("train", "count", "2"),
            ("train", "count", "7"),
            ("train", "presence", "no"),
            ("train", "presence", "yes"),
            ("test", "count", "9"),
        ]
    ):
        image = book.image(Painting(f"{n}.png", background=(n, n, n), split=split))
        query = (Segment.of_image(image), Segment.of_text("?"))
        asked = {"image": image, "split": split, "scope": "corpus", "pool_key": kind}
        examples[kind].append(book.example("question_answer", query, [text(answer)], **asked))
    # stated with an image of another split, and no example's answer
    book.distractor("question_answer", image, text("0"), "count")
    found = mined(book.write(tmp_path / "d"), tmp_path / "encoder")
    two, seven, _ = examples["count"]
    no, yes = examples["presence"]
    assert found[two] == {item_id(text("7")), item_id(text("0"))}
    assert found[seven] == {item_id(text("2")), item_id(text("0"))}
    assert found[no] == {item_id(text("yes"))}
    assert found[yes] == {item_id(text("no"))}


def test_a_composition_never_has_its_own_image_as_negative(tmp_path: Path) -> None:
    book = Book()
    names = [book.image(Painting(f"{n}.png", background=(n, n, n))) for n in range(6)]
    examples = []
    for n, image in enumerate(names):
        query = (Segment.of_image(image), Segment.of_text("with ships"))
        right = (Segment.of_image(names[(n + 1) % 6]),)
        examples.append(book.example("composed_to_image", query, [right], image=image))
        book.distractor("composed_to_image", image, (Segment.of_image(image),))
    found = mined(book.write(tmp_path / "d"), tmp_path / "encoder")
    for n, example in enumerate(examples):
        others = [item_id((Segment.of_image(names[i]),)) for i in range(6) if i not in (n, (n + 1) % 6)]
        assert found[example] == set(others)
