"""Neighbourhoods: what is described alike at some removes is no negative, where no class tells."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from geovec_data.errors import UserError
from geovec_data.mining.chance import signs
from geovec_data.mining.items import Lists
from geovec_data.mining.mine import MineConfig, run
from geovec_data.mining.words import WordSets
from geovec_data.records import Segment
from tests.fixtures.world import World, text

THEMES = ("airport", "harbour", "forest")
WORDS = 12  # of each theme; a caption has two of them


def themed(world: World, scenes: int, *, labelled: bool = False) -> dict[str, str]:
    """Images of three themes whose captions share words with a few others of their theme only; example → theme."""
    rng = np.random.default_rng(3)
    theme_of = {}
    for n in range(scenes):
        theme = THEMES[n % 3]
        image = world.image(f"{n}.png", scene_class=theme if labelled else None)
        degrees = float(rng.uniform(0, 30) + 15 * (n % 3))  # themes overlap: vectors alone do not tell
        words = " ".join(f"{theme}{int(w)}" for w in rng.choice(WORDS, 2, replace=False))
        asked = world.at(degrees, text(f"{words} number {n}"), theme)
        shown = world.at(degrees + float(rng.uniform(0, 2)), (Segment.of_image(image),), theme)
        theme_of[world.book.example("text_to_image", asked, [shown], image=image)] = theme
    return theme_of


def mates(world: World, theme_of: dict[str, str], name: str = "default") -> int:
    """Count the negatives of a run that are of their example's theme."""
    rows = pq.read_table(world.folder / "dataset/mining" / name / "negatives.parquet").to_pylist()
    return sum(world.names[r["item"]] == theme_of[r["example"]] for r in rows)


def facts_of(world: World, **policy: Any) -> dict[str, Any]:
    facts: dict[str, Any] = world.mine(k=4, depth=100, policy=policy)["tasks"]["text_to_image"]
    return facts


def test_what_shares_words_at_some_removes_is_dropped(tmp_path: Path) -> None:
    world = World(tmp_path)
    theme_of = themed(world, 150)
    facts = facts_of(world)
    assert facts["drops"]["same_neighbourhood"] > 1000
    assert facts["short"]["examples"] == 0
    run_of = {"dataset": tmp_path / "dataset", "reuse": "default", "k": 4}
    off = run(MineConfig.model_validate({**run_of, "run": "off", "policy": {"same_neighbourhood": "off"}}))
    assert off["drops"]["same_neighbourhood"] == 0
    assert mates(world, theme_of) < 0.5 * mates(world, theme_of, "off")
    again = run(MineConfig.model_validate({**run_of, "run": "again"}))
    assert again["drops"] == {**facts["drops"]}
    shutil.rmtree(tmp_path / "dataset/embeddings")
    with pytest.raises(UserError, match=r"vectors of that run, which are gone.*same_neighbourhood=off"):
        run(MineConfig.model_validate({**run_of, "run": "lost"}))


def test_classes_decide_where_they_are_known(tmp_path: Path) -> None:
    world = World(tmp_path)
    theme_of = themed(world, 90, labelled=True)
    facts = facts_of(world)
    assert facts["drops"]["same_class"] > 500
    assert facts["drops"]["same_neighbourhood"] == 0
    assert mates(world, theme_of) == 0


def test_a_rule_that_takes_most_of_a_pool_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    for n in range(20):
        image = world.image(f"{n}.png", scene_class="tree" if n else "lake")
        shown = world.at(2.0 * n, (Segment.of_image(image),))
        world.book.example("text_to_image", world.at(2.0 * n + 1, text(f"caption {n}")), [shown], image=image)
    told = [line for line in world.mine(k=1)["human"] if line.startswith("note:")]
    assert len(told) == 1
    assert "in text_to_image, same_class dropped 86% of the candidates" in told[0]
    assert "policy.same_class=off" in told[0]


def test_few_subjects_have_no_neighbourhood(tmp_path: Path) -> None:
    world = World(tmp_path)
    themed(world, 60)
    assert facts_of(world)["drops"]["same_neighbourhood"] == 0


def test_a_cosine_of_one_takes_none_but_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    themed(world, 90)
    assert facts_of(world, walk_cosine=1.0)["drops"]["same_neighbourhood"] == 0


def test_chance_is_the_same_everywhere() -> None:
    assert signs(np.arange(3), 8).astype(int).tolist() == signs(np.arange(3), 8).astype(int).tolist()
    drawn = signs(np.arange(4000), 16)
    assert abs(float(drawn.mean())) < 0.02
    assert np.abs(np.corrcoef(drawn.T) - np.eye(16)).max() < 0.08


def test_rare_words_weigh_more_and_lonely_ones_nothing() -> None:
    said = ["green trees beside a runway", "green trees beside a stadium", "a runway with numbers", "green trees", "x1"]
    sets = WordSets(said, frozenset({"a", "with"}))
    vectors = sets.projected(Lists(np.arange(6), np.arange(5)), 512)
    cosine = vectors @ vectors.T
    assert cosine[0, 2] > 0.5  # the runway, which two of five have
    assert cosine[2, 1] < 0.2
    assert not vectors[4].any()  # a word of one text alone
