"""A cap takes the entries of smallest hash: more only adds, order and other corpora move nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.build.cap import capped
from geovec_data.origins import OriginRule
from geovec_data.readers.base import Entry
from tests.fixtures import corpora
from tests.fixtures.dataset import build
from tests.geovec_data.build.test_mix import rows_of

TILES = (OriginRule(match=r"(P\d+)_\d+", origin="dota/{0}"),)
ENTRIES = [Entry(f"images/P{n // 5}_{n}.png", ()) for n in range(60)]


def keys(entries: list[Entry], cap: int | None, seed: int = 0, corpus: str = "c") -> set[str]:
    return {e.key for e in capped(entries, cap, seed, corpus, TILES)[0]}


@given(st.permutations(ENTRIES), st.integers(1, 70), st.integers(1, 70), st.integers(0, 3))
def test_a_larger_cap_only_adds_in_any_order(order: list[Entry], a: int, b: int, seed: int) -> None:
    small, large = keys(order, min(a, b), seed), keys(ENTRIES, max(a, b), seed)
    assert small <= large
    assert (len(small), len(large)) == (min(a, b, 60), min(max(a, b), 60))


def test_no_cap_takes_all_and_the_listing_is_counted() -> None:
    assert capped(ENTRIES, None, 0, "c", ()) == (ENTRIES, 60)
    assert capped(iter(ENTRIES), 7, 0, "c", ())[1] == 60


def test_tiles_of_a_picture_come_together_and_alike_in_every_corpus() -> None:
    taken = keys(ENTRIES, 20)
    assert len({k.split("_")[0] for k in taken}) == 4
    elsewhere = [Entry(f"train/{Path(e.key).stem}.txt", ()) for e in ENTRIES]
    assert {Path(k).stem for k in taken} == {Path(k).stem for k in keys(elsewhere, 20, corpus="other")}


def test_the_seed_changes_the_choice() -> None:
    assert keys(ENTRIES, 20) != keys(ENTRIES, 20, seed=1)


@pytest.mark.parametrize("cap", [5, 9])
def test_one_corpuss_cap_moves_nothing_in_the_other(cap: int, tmp_path: Path) -> None:
    places = corpora.write_many(["rsicd", "rsvg"], tmp_path / "corpora")
    common = ("recipe=rsicd,rsvg", *places, "units=4", "workers=1", "checks.max_reject_fraction=1")
    whole = build(*common, f"out={tmp_path / 'whole'}")
    part = build(*common, f"out={tmp_path / 'part'}", f"corpora.rsicd.cap={cap}")
    assert rows_of(part, "rsvg") == rows_of(whole, "rsvg")
    images = rows_of(part, "rsicd")["images"]
    assert len(images) <= cap
    assert set(map(repr, images)) <= set(map(repr, rows_of(whole, "rsicd")["images"]))
    source = next(s for s in part.manifest.sources if s.corpus == "rsicd")
    assert (source.cap, source.listed > cap) == (cap, True)
    assert any(f"capped: {cap} of its {source.listed}" in n for n in part.manifest.notes)
