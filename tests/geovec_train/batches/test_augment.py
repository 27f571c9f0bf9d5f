"""Batches whose pictures are turned: boxes, words and negatives of the same picture turn with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geovec_data.dataset import Dataset
from geovec_data.records import Segment, Segments
from geovec_data.render import decode_image
from geovec_train.batches.augment import Turns
from geovec_train.batches.batch import BatchMaker
from geovec_train.batches.pictures import names_direction, turned
from geovec_train.batches.turns import KEEPING_AXES, turned_words
from geovec_train.config import TrainConfig
from geovec_train.losses.masks import Masks, told_apart
from geovec_train.training.train import run
from tests.fixtures.dataset import build
from tests.fixtures.voc import write_rsvg


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("regions")
    write_rsvg(folder / "corpus", images=10, expressions=50)
    where = cycle((" in the upper left corner", "", " to the right of the pier", "", " on top of it"))
    for file in sorted((folder / "corpus").rglob("*.xml")):
        said = re.sub("(?=</description>)", lambda _: next(where), file.read_text())
        file.write_text(said)
    return build("recipe=rsvg", f"source.root={folder / 'corpus'}", f"out={folder / 'dataset'}", "workers=1", "units=4")


def seen(
    dataset: Dataset, out: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> list[tuple[BatchMaker, Turns, list[int]]]:
    """Train a few steps and return the turns and the items of every batch."""
    found: list[tuple[BatchMaker, Turns, list[int]]] = []
    real: Callable[..., Turns] = BatchMaker._turns

    def turns(self: BatchMaker, step: int, examples: Any, positives: Any, candidates: Any) -> Turns:
        made = real(self, step, examples, positives, candidates)
        found.append((self, made, np.unique([*self.train.query[examples], *candidates]).tolist()))
        return made

    monkeypatch.setattr(BatchMaker, "_turns", turns)
    few: dict[str, Any] = {"model": "tiny", "steps": 9, "batch": 8, "side": 56, "device": "cpu"}
    run(TrainConfig(dataset=dataset.path, out=out, **few, **options))
    return found


def test_pictures_turn_with_their_boxes_and_words(
    regions: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = words = 0
    for maker, turns, items in seen(regions, tmp_path / "out", monkeypatch, augment_regions=True):
        for item in items:
            home = maker._home(item)
            turn = 0 if home is None else turns.of(home)
            if not turn:
                assert turns.show(item) == maker._segments(item)
                continue
            assert home is not None
            pixels = np.asarray(decode_image(regions.images.get(home)))
            assert turns.size(home) == turned(pixels, turn).shape[1::-1]
            for before, after in zip(maker._segments(item), turns.show(item), strict=True):
                if before.box is not None and after.box is not None:
                    a, b = (tuple(round(v) for v in s.box or ()) for s in (before, after))
                    crop = turned(pixels[a[1] : a[3], a[0] : a[2]], turn)
                    assert np.array_equal(turned(pixels, turn)[b[1] : b[3], b[0] : b[2]], crop)
                    boxes += 1
                elif before.kind == "text":
                    assert after.text == turned_words(before.text or "", turn)
                    words += names_direction(before.text or "")
                else:
                    assert after == before
    assert boxes > 20
    assert words > 5


def test_without_the_option_no_picture_with_a_box_is_turned(
    regions: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for maker, turns, _ in seen(regions, tmp_path / "out", monkeypatch):
        assert not any(turns.of(image) for image in maker.train.images)


IMAGE, BOX, LEFT, PLAIN = Segment.of_image("a"), Segment.of_box((0, 0, 4, 4)), "the left pier", "a pier"
OTHER = Segment.of_image("b")


def drawn(
    items: list[Segments], homes: list[str | None], examples: list[tuple[int, int]], *, say: str = "Find it."
) -> set[int]:
    """All turns that image a gets in many draws."""
    turns = Turns(lambda _: (8, 6), items.__getitem__, homes.__getitem__, follow=True)
    got = set()
    for seed in range(60):
        turns.draw(np.random.default_rng(seed), [(q, p, say) for q, p in examples], range(len(items)))
        got.add(turns.of("a"))
    return got


def text(words: str) -> Segments:
    return (Segment.of_text(words),)


def test_what_an_example_says_decides_how_its_picture_may_turn() -> None:
    region: Segments = (IMAGE, BOX)
    assert drawn([text(PLAIN), region], ["a", "a"], [(0, 1)]) == set(range(8))
    assert drawn([text(LEFT), region], ["a", "a"], [(0, 1)]) == KEEPING_AXES
    for fixed in ("on top of it", "the lowest pier", "a pier at 3 o'clock", "a leftward pier"):
        assert drawn([text(fixed), region], ["a", "a"], [(0, 1)]) == {0}
    assert drawn([text(LEFT), region], [None, "a"], [(0, 1)]) == {0}  # it speaks of other pictures too
    assert drawn([text(PLAIN), region], ["a", "a"], [(0, 1)], say="What is on the left?") == {0}
    assert drawn([(Segment.of_coordinate(1, 2),), (IMAGE,)], [None, "a"], [(0, 1)]) == {0}
    assert drawn([(IMAGE, Segment.of_text(LEFT)), (OTHER,)], ["a", "b"], [(0, 1)]) == {0}  # of which of the two?
    assert drawn([(IMAGE, Segment.of_text(PLAIN)), (OTHER,)], ["a", "b"], [(0, 1)]) == set(range(8))


def test_a_negative_that_speaks_of_the_same_picture_has_a_say() -> None:
    region: Segments = (IMAGE, BOX)
    assert drawn([text(PLAIN), region, text(LEFT)], ["a", "a", "a"], [(0, 1)]) == KEEPING_AXES
    assert drawn([text(PLAIN), region, text("the first pier")], ["a", "a", "a"], [(0, 1)]) == {0}
    assert drawn([text(PLAIN), region, text("the first pier")], ["a", "a", "b"], [(0, 1)]) == set(range(8))


def test_texts_that_became_equal_are_no_negatives_of_each_other() -> None:
    everything = np.ones((3, 4), bool)
    nothing = ~everything
    masks = Masks(np.array([0, 1, 2]), everything, everything[:, :3], nothing, nothing[:, :3])
    found = told_apart(masks, ["q", "r", "q"], ["left", "right", "left", "right"])
    assert found.forward.tolist() == [[True, True, False, True], [True, True, True, False], [False, True, True, True]]
    assert found.backward.tolist() == [[True, True, False], [True, True, True], [False, True, True]]


def test_a_caption_beside_the_asked_one_may_name_a_direction() -> None:
    said = {0: (Segment.of_image("a"),), 1: (Segment.of_text("a pond"),), 2: (Segment.of_text("a pond on the left"),)}
    turns = Turns(lambda _: (8, 8), said.__getitem__, lambda _: "a", follow=False)
    drawn = set()
    for seed in range(20):
        turns.draw(np.random.default_rng(seed), [(0, 1, "Find it.")], [0, 1, 2])
        drawn.add(turns.of("a"))
        assert turns.show(2) == said[2]
    assert len(drawn) > 1
