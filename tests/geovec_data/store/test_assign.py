"""Splits of a real build: what the manifest says of them, and what a user is told who did not say enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from tests.fixtures import corpora
from tests.fixtures.dataset import build


@pytest.fixture(scope="module")
def fmow(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("fmow")
    source = corpora.write("fmow", folder / "corpus")
    return ["recipe=fmow", *source, f"out={folder / 'out'}", "workers=1", "units=2", "checks.max_reject_fraction=1"]


def splits_by(dataset: Dataset, column: str) -> list[tuple[Any, str, str]]:
    sql = f"SELECT i.{column}, s.split, s.reason FROM images i JOIN image_splits s ON s.image = i.id"
    return dataset.connect().execute(sql).fetchall()


def test_a_country_is_in_one_split(fmow: list[str]) -> None:
    dataset = build(*fmow, "split=place", "split.place_level=country")
    found: dict[str | None, set[str]] = {}
    for places, split, _ in splits_by(dataset, "places"):
        found.setdefault(next((p["value"] for p in places if p["key"] == "country"), None), set()).add(split)
    assert found.pop(None) == {"unused"}
    assert len(found) > 2
    assert all(len(splits) == 1 and splits <= {"train", "val", "test"} for splits in found.values())
    n = dataset.manifest.counts["unused_by_reason"]["no country"]
    assert f"The split leaves {n} images unused: no country ({n})." in dataset.manifest.notes


def test_the_levels_that_there_are_are_told(fmow: list[str]) -> None:
    with pytest.raises(UserError, match=r"split\.place_level=….*country \(\d+ images\)"):
        build(*fmow, "split=place")
    with pytest.raises(UserError, match=r"split\.place_level=contry: no image has it\. Did you mean 'country'"):
        build(*fmow, "split=place", "split.place_level=contry")


def test_dates_are_suggested_and_then_hold(fmow: list[str]) -> None:
    with pytest.raises(UserError, match=r"fmow: split=time needs split\.before") as told:
        build(*fmow, "split=time", "split.train=0.6", "split.val=0.2", "split.test=0.2")
    date = str(told.value).partition("is split.before=")[2].partition(".")[0].split(",")[0]
    dataset = build(*fmow, "split=time", f"split.before={date}")
    rows = splits_by(dataset, "captured")
    assert any(split != "unused" for _, split, _ in rows)
    for captured, split, reason in rows:
        torn = reason == "its origin falls into two splits"  # a place that was seen before and after
        assert split == ("unused" if torn else "train" if captured < date else "test")


def test_the_least_even_class_is_told(tmp_path: Path) -> None:
    source = corpora.write("ucmerced", tmp_path / "corpus")
    dataset = build("recipe=ucmerced", *source, f"out={tmp_path / 'out'}", "workers=1", "units=2", "split=stratified",
                    "checks.max_reject_fraction=1")  # fmt: skip
    far = dataset.manifest.counts["furthest_class"]["ucmerced"]
    assert abs(far["images"] - far["wanted"]) < 3
    assert any(f"'{far['class']}' is furthest from the wanted shares" in note for note in dataset.manifest.notes)
