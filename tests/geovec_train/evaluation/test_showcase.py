"""The page of successes and failures: both are shown, ranks are those of the scores, a stranger's text stays text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from geovec_data.dataset import Dataset
from geovec_train.evaluation.pools import Pool, pools
from geovec_train.evaluation.ranking import rank
from geovec_train.evaluation.showcase import FILE, Showcase
from tests.fixtures.handmade import painted

FACTS = {"model": "<b>m", "dataset": "d", "split_note": "split test", "blind": None}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(painted(tmp_path_factory.mktemp("showcase") / "data", scenes=18))


def shown(dataset: Dataset, pool: Pool, queries: np.ndarray, items: np.ndarray, folder: Path) -> str:
    showcase = Showcase(dataset, seed=0)
    showcase.add(pool, rank(pool, queries, items), queries, items)
    showcase.write(folder, FACTS)
    return (folder / FILE).read_text(encoding="utf-8")


def half_right(pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Put every second query on its answer and the others away from it."""
    items = np.eye(len(pool.items), dtype=np.float32)
    wanted = [items[right[0]] if n % 2 else -items[right[0]] for n, right in enumerate(pool.positives)]
    return np.stack(wanted), items


@pytest.mark.parametrize("task", ["text_to_image", "expression_to_region", "image_to_text"])
def test_right_and_wrong_are_shown(dataset: Dataset, task: str, tmp_path: Path) -> None:
    con = dataset.connect()
    pool = next(pools(dataset, con, "test", [task]))
    con.close()
    page = shown(dataset, pool, *half_right(pool), tmp_path)
    assert page.count("right: the right answer stands at rank 1 of") >= 1
    wrong = [int(n) for n in re.findall(r"wrong: the right answer stands at rank (\d+) of", page)]
    assert wrong
    assert min(wrong) > 1
    assert "<use href=" in page
    assert "<b>m" not in page


def test_ties_of_all_are_neither(dataset: Dataset, tmp_path: Path) -> None:
    con = dataset.connect()
    pool = next(pools(dataset, con, "test", ["text_to_image"]))
    con.close()
    same = np.ones((1, 2), dtype=np.float32)
    page = shown(dataset, pool, same.repeat(len(pool.queries), 0), same.repeat(len(pool.items), 0), tmp_path)
    assert "all answers are tied" in page


def test_the_same_seed_shows_the_same(dataset: Dataset, tmp_path: Path) -> None:
    con = dataset.connect()
    pool = next(pools(dataset, con, "test", ["text_to_image"]))
    con.close()
    (tmp_path / "b").mkdir()
    made = half_right(pool)
    assert shown(dataset, pool, *made, tmp_path) == shown(dataset, pool, *made, tmp_path / "b")
