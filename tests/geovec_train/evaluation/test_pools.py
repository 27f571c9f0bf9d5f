"""Pools: who is asked, what is right, and among whom; ranks equal to sorting by hand."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault, UserError
from geovec_data.records import Segment
from geovec_train.evaluation.metrics import expected_worth, ideal, per_query
from geovec_train.evaluation.pools import Pool, pools, split_of
from geovec_train.evaluation.ranking import TIE, rank
from tests.fixtures.handmade import Book, Painting, painted


def text(words: str) -> tuple[Segment, ...]:
    return (Segment.of_text(words),)


def by_name(dataset: Dataset, split: str = "test", **options: object) -> dict[tuple[str, str], Pool]:
    con = dataset.connect()
    found = {(p.task, p.scope): p for p in pools(dataset, con, split, **options)}  # type: ignore[arg-type]
    con.close()
    return found


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(painted(tmp_path_factory.mktemp("pools") / "d"))


def test_every_task_has_its_stated_pool(dataset: Dataset) -> None:
    found = by_name(dataset)
    assert set(found) == {
        ("coordinate_to_image", "split"),
        ("expression_to_region", "scene"),
        ("expression_to_region", "split"),
        ("image_to_coordinate", "split"),
        ("image_to_text", "split"),
        ("region_to_text", "split"),
        ("scene_class", "corpus"),
        ("text_to_image", "split"),
        ("text_to_region", "scene"),
    }
    scene = found["expression_to_region", "scene"]
    assert scene.sizes().tolist() == [3] * 6  # two regions and the distractor of the pool table
    across = found["expression_to_region", "split"]
    assert across.sizes().tolist() == [9] * 6
    assert across.queries == scene.queries
    assert found["text_to_image", "split"].sizes().tolist() == [3] * 3


def test_class_names_come_from_all_splits(tmp_path: Path) -> None:
    book = Book()
    for n, (split, name) in enumerate([("train", "pier"), ("val", "farm"), ("test", "farm"), ("unused", "dune")]):
        image = book.image(Painting(f"{n}.png", background=(n, n, n), split=split))
        book.example("scene_class", (Segment.of_image(image),), [text(name)], image=image, split=split)
    pool = by_name(Dataset(book.write(tmp_path / "d")))["scene_class", "corpus"]
    assert len(pool.queries) == 1
    assert pool.sizes().tolist() == [3]


def test_answers_are_ranked_among_those_of_their_kind_of_question(tmp_path: Path) -> None:
    book = Book()
    for n, (split, kind, answer) in enumerate(
        [("train", "count", "7"), ("test", "count", "2"), ("test", "presence", "no"), ("test", "presence", "no")]
    ):
        image = book.image(Painting(f"{n}.png", background=(n, n, n), split=split))
        question = (Segment.of_image(image), Segment.of_text(f"question of {kind}"))
        asked = {"image": image, "split": split, "scope": "corpus", "pool_key": kind}
        book.example("question_answer", question, [text(answer)], **asked)  # type: ignore[arg-type]
    book.distractor("question_answer", image, text("yes"), "presence")  # stated, and never right
    pool = by_name(Dataset(book.write(tmp_path / "d")))["question_answer", "corpus"]
    assert sorted(zip(pool.query_groups, pool.sizes().tolist(), strict=True)) == [
        ("painted/count", 2),
        ("painted/presence", 2),
        ("painted/presence", 2),
    ]


def composed(path: Path, images: int = 5) -> Dataset:
    """Compositions over a few images: each query's image is the answer to another's, and a candidate of all."""
    book = Book()
    names = [book.image(Painting(f"{n}.png", background=(n, n, n), split="test")) for n in range(images)]
    for n, image in enumerate(names):
        query = (Segment.of_image(image), Segment.of_text("without ships"))
        right = (Segment.of_image(names[(n + 1) % images]),)
        book.example("composed_to_image", query, [right], image=image, split="test")
        book.distractor("composed_to_image", image, (Segment.of_image(image),))
    return Dataset(book.write(path))


def test_a_composition_is_not_ranked_against_its_own_image(tmp_path: Path) -> None:
    dataset = composed(tmp_path / "d")
    pool = by_name(dataset)["composed_to_image", "split"]
    assert len(pool.items) == 5
    assert pool.sizes().tolist() == [4] * 5
    shown = dict(zip(*(dataset.items.table.column(c).to_pylist() for c in ("id", "image")), strict=True))
    assert [shown[pool.items[i]] for i in pool.barred] == [shown[q] for q in pool.queries]
    same = np.full((5, 4), 0.5, dtype=np.float32)
    ranks = rank(pool, same, same)
    assert ranks.tied.tolist() == [4] * 5  # an encoder that tells nothing apart meets four candidates, not five
    own = np.eye(5, dtype=np.float32)
    queries = np.stack([0.9 * own[b] + 0.1 * own[p[0]] for b, p in zip(pool.barred, pool.positives, strict=True)])
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    ranks = rank(pool, queries, own)  # nearest to the own image, then to the right one
    assert (ranks.above == 0).all()


def test_only_a_whole_image_is_barred(dataset: Dataset) -> None:
    for pool in by_name(dataset).values():
        assert (pool.barred == -1).all()  # boxes of the query's image, texts and coordinates are candidates


def test_positives_are_the_union_over_examples_and_a_query_is_asked_once(tmp_path: Path) -> None:
    book = Book()
    images = [book.image(Painting(f"{n}.png", background=(n, 0, 0), split="test", parent="mosaic")) for n in range(3)]
    other = book.image(Painting("t.png", background=(9, 9, 9), split="train"))
    for image in images[:2]:  # one caption, two images
        book.example(
            "text_to_image", text("a pier"), [(Segment.of_image(image),)], image=image, split="test", parent="m"
        )
    book.example("text_to_image", text("a farm"), [(Segment.of_image(images[2]),)], image=images[2], split="test")
    book.example("text_to_image", text("a pier"), [(Segment.of_image(other),)], image=other, split="train")
    dataset = Dataset(book.write(tmp_path / "d"))
    pool = by_name(dataset)["text_to_image", "split"]
    assert sorted(len(p) for p in pool.positives) == [1, 2]
    assert pool.sizes().tolist() == [3, 3]  # the train image is no candidate
    own = by_name(dataset, truth="own")["text_to_image", "split"]
    assert sorted(len(p) for p in own.positives) == [1, 1, 1]
    assert own.version() == pool.version()


def test_a_text_of_one_scene_is_asked_per_scene(tmp_path: Path) -> None:
    book = Book()
    for n in range(2):
        image = book.image(Painting(f"{n}.png", background=(n, 0, 0), split="test"))
        region = (Segment.of_image(image), Segment.of_box((1.0, 2.0, 9.0 + n, 9.0)))
        book.example("text_to_region", text("the left car"), [region], image=image, split="test", scope="scene")
        book.distractor("text_to_region", image, (Segment.of_image(image), Segment.of_box((20.0, 2.0, 30.0, 9.0))))
    pool = by_name(Dataset(book.write(tmp_path / "d")))["text_to_region", "scene"]
    assert pool.queries[0] == pool.queries[1]
    assert len(set(pool.query_groups)) == 2
    assert [len(p) for p in pool.positives] == [1, 1]  # the other scene's region is not right here
    assert pool.sizes().tolist() == [2, 2]
    assert pool.positives[0][0] != pool.positives[1][0]


def test_the_version_is_the_hash_of_the_listing_and_changes_with_a_candidate(dataset: Dataset, tmp_path: Path) -> None:
    pool = by_name(dataset)["text_to_region", "scene"]
    listing = "".join(pool.listing())
    assert hashlib.sha256(listing.encode()).hexdigest() == pool.version()
    assert len(listing.splitlines()) == 9
    more = Dataset(painted(tmp_path / "d", scenes=12))
    assert by_name(more)["text_to_region", "scene"].version() != pool.version()


def test_split_defaults_to_test_then_val(dataset: Dataset, tmp_path: Path) -> None:
    con = dataset.connect()
    assert split_of(dataset, con, None) == ("test", "split test")
    assert split_of(dataset, con, "train")[0] == "train"
    with pytest.raises(UserError, match=r"split=dev has no examples .*test \(33\), train \(33\), val \(33\)"):
        split_of(dataset, con, "dev")
    two = Dataset(painted(tmp_path / "two", scenes=2))
    assert split_of(two, two.connect(), None) == ("val", "split val: this dataset has no test examples")
    one = Dataset(painted(tmp_path / "one", scenes=1))
    with pytest.raises(UserError, match="split=train"):
        split_of(one, one.connect(), None)


def test_an_unknown_task_is_told_the_nearest(dataset: Dataset) -> None:
    with pytest.raises(UserError, match="Did you mean 'text_to_image'"):
        by_name(dataset, tasks=["text_to_imag"])


def unit(rng: np.random.Generator, n: int, dim: int = 6, grid: bool = False) -> np.ndarray:
    x = rng.integers(-1, 2, (n, dim)).astype(np.float32) if grid else rng.normal(size=(n, dim)).astype(np.float32)
    x[np.abs(x).sum(1) == 0] = 1
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


@pytest.mark.parametrize("grid", [False, True])
def test_ranks_equal_counting_by_hand(dataset: Dataset, monkeypatch: pytest.MonkeyPatch, grid: bool) -> None:
    """Over all pools, with tiles far smaller than the pools, and with many exact ties (grid)."""
    monkeypatch.setattr("geovec_train.evaluation.ranking.QUERY_TILE", 2)
    monkeypatch.setattr("geovec_train.evaluation.ranking.ITEM_TILE", 3)
    rng = np.random.default_rng(4)
    tied = 0
    for split in ("train", "val", "test"):
        for pool in by_name(dataset, split).values():
            q, t = unit(rng, len(pool.queries), grid=grid), unit(rng, len(pool.items), grid=grid)
            ranks = rank(pool, q, t)
            for n, group in enumerate(pool.query_groups):
                members = pool.groups[group]
                scores = {int(i): float(np.float64(q[n]) @ np.float64(t[i])) for i in members}
                best = max(scores[int(p)] for p in pool.positives[n])
                level = [i for i, s in scores.items() if abs(s - best) <= TIE]
                assert ranks.above[n] == sum(s > best + TIE for s in scores.values())
                assert ranks.tied[n] == len(level)
                assert ranks.right[n] == len(set(level) & set(pool.positives[n].tolist()))
                tied += len(level) - 1
                own = [float(scores[int(p)]) for p in pool.positives[n]]
                over = np.array([sum(s > o + TIE for s in scores.values()) for o in own])
                same = np.array([sum(abs(s - o) <= TIE for s in scores.values()) for o in own])
                assert ranks.ndcg[n] == pytest.approx(expected_worth(over, same).sum() / ideal(np.array(len(own))))
    assert (tied > 20) == grid


def test_a_collapsed_encoder_scores_exactly_chance(dataset: Dataset) -> None:
    from geovec_train.evaluation.metrics import Ranks

    pool = by_name(dataset)["expression_to_region", "split"]
    same = np.full((1, 4), 0.5, dtype=np.float32)
    noise = np.random.default_rng(0).normal(size=(len(pool.items), 4)).astype(np.float32) * 1e-8
    ranks = rank(pool, np.repeat(same, len(pool.queries), 0), np.repeat(same, len(pool.items), 0) + noise)
    chance = Ranks.by_chance(pool.sizes(), np.array([len(p) for p in pool.positives]))
    assert per_query(ranks) == pytest.approx(per_query(chance), abs=1e-12)


def test_vectors_that_are_not_finite_are_refused(dataset: Dataset) -> None:
    pool = by_name(dataset)["text_to_image", "split"]
    bad = np.full((3, 4), np.nan, dtype=np.float32)
    with pytest.raises(DataFault, match="not finite"):
        rank(pool, bad, bad)
