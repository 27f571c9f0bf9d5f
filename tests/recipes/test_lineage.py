"""Corpora that share images name them alike, so that all copies of an image fall into one split."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures import corpora
from tests.fixtures.dataset import build


def test_the_region_corpora_agree_on_where_their_images_come_from(tmp_path: Path) -> None:
    names = ("dior", "dota", "geochat_instruct", "rrsis_d", "vrsbench")
    places = corpora.write_many(dict.fromkeys(names), tmp_path / "corpora")
    common = (f"out={tmp_path / 'out'}", "units=2", "workers=1", "checks.max_reject_fraction=1")
    dataset = build(f"recipe=[{','.join(names)}]", *places, *common)
    rows = dataset.connect().execute(
        "SELECT i.origin, list_sort(list(DISTINCT i.corpus)), count(DISTINCT s.split)"
        " FROM images i JOIN image_splits s ON s.image = i.id GROUP BY i.origin"
    )
    found = {origin: (shared, splits) for origin, shared, splits in rows.fetchall()}
    assert found["dota/P0003"] == (["dota", "geochat_instruct", "vrsbench"], 1)
    assert found["dior/05863"] == (["geochat_instruct", "vrsbench"], 1)
    assert found["dior/00001"] == (["dior", "rrsis_d"], 1)
    assert {splits for _, splits in found.values()} == {1}
