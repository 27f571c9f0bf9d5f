"""Blind baselines: what is taken, from which side, and that an encoder is really not shown it."""

from __future__ import annotations

import numpy as np
import pytest

from geovec_data.dataset import Dataset
from geovec_data.render import decode_image
from geovec_train.evaluation.blind import Blind, side_of, without
from tests.fixtures.handmade import painted


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(painted(tmp_path_factory.mktemp("blind") / "data", scenes=6))


@pytest.mark.parametrize(
    ("blind", "queries", "targets", "side"),
    [
        ("image", {"image+text"}, {"text"}, "query"),
        ("image", {"text"}, {"image"}, "target"),
        ("image", {"text"}, {"text"}, None),
        ("box", {"image+box"}, {"text"}, "query"),
        ("box", {"text"}, {"image+box"}, "target"),
        ("text", {"image+text"}, {"image+box"}, "query"),
        ("text", {"text"}, {"image+text"}, "target"),
        ("text", {"image"}, {"text"}, None),
    ],
)
def test_the_side_that_can_be_without_it(blind: Blind, queries: set[str], targets: set[str], side: str | None) -> None:
    assert side_of(blind, queries, targets) == side


def test_pictures_are_grey_and_as_large(dataset: Dataset) -> None:
    shown = without("image").of(dataset)
    for image in dataset.read("images", ["id"]).column("id").to_pylist():
        pixels = np.asarray(decode_image(shown.images.get(image)))
        assert pixels.shape[:2] == dataset.images.size(image)[::-1]
        assert (pixels == 128).all()
        assert dataset.images.get(image) != shown.images.get(image)


@pytest.mark.parametrize("blind", ["box", "text"])
def test_segments_are_left_out_unless_nothing_remains(dataset: Dataset, blind: Blind) -> None:
    shown = without(blind).of(dataset)
    seen = set()
    for item in dataset.read("items", ["id"]).column("id").to_pylist():
        before, after = dataset.items.segments(item), shown.items.segments(item)
        kinds = {s.kind for s in before}
        if kinds == {blind}:
            assert after == before
        else:
            assert after == tuple(s for s in before if s.kind != blind)
        seen |= {frozenset(kinds)}
    assert any(blind in kinds and len(kinds) > 1 for kinds in seen)
