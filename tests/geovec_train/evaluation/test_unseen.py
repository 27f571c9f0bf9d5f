"""Captions that training has seen are scored apart from those that it has not."""

from __future__ import annotations

from pathlib import Path

from geovec_train.evaluation.pools import pools
from geovec_train.evaluation.unseen import SUBSET, without_seen_captions
from tests.fixtures.dataset import build
from tests.fixtures.parks import write_parks


def test_queries_with_a_caption_of_train_are_left_out_and_the_pool_stays(tmp_path: Path) -> None:
    root = write_parks(tmp_path / "corpus")
    dataset = build("recipe=rsicd", f"source.root={root}", f"out={tmp_path / 'out'}", "workers=1")
    con = dataset.connect()
    found = {p.task: (p, list(without_seen_captions(con, p))) for p in pools(dataset, con, "val")}
    assert found["scene_class"][1] == []
    for task, asked, kept in (("text_to_image", 5, 4), ("image_to_text", 4, 2)):
        whole, (unseen,) = found[task]
        assert (len(whole.queries), len(unseen.queries)) == (asked, kept), task
        assert unseen.subset == SUBSET
        assert unseen.version() == whole.version()
        assert len(unseen.sizes()) == len(unseen.positives) == len(unseen.parents) == len(unseen.images) == kept
    texts = {dataset.items.segments(q)[0].text for q in found["text_to_image"][1][0].queries}
    assert texts == {f"park number {n} ." for n in (3, 4, 9, 10)}
    assert all(list(without_seen_captions(con, p)) == [] for p in pools(dataset, con, "train")), "train has seen all"
