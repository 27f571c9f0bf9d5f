from __future__ import annotations

import json
from pathlib import Path

import pytest

from geovec_data.dataset import Dataset
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from geovec_train.evaluation.pools import pools
from tests.fixtures.dataset import build
from tests.fixtures.karpathy import write_rsicd

SAID = ["many planes are parked .", "Many planes are parked", "a pond"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images, train and val by turns; each has a caption that others share, in one of two wordings."""
    root = tmp_path_factory.mktemp("corpus")
    write_rsicd(root, images=12)
    file = root / "dataset_rsicd.json"
    tree = json.loads(file.read_text(encoding="utf-8"))
    for n, record in enumerate(tree["images"]):
        record["split"] = "train" if n % 2 else "val"
        raws = [SAID[n % 3], f"image number {n}"]
        record["sentences"] = [{"raw": raw, "tokens": raw.split(), "sentid": 2 * n + k} for k, raw in enumerate(raws)]
    file.write_text(json.dumps(tree), encoding="utf-8")
    return root


def built(corpus: Path, out: Path, *more: str) -> Dataset:
    return build("recipe=rsicd", f"source.root={corpus}", f"out={out}", "workers=1", "units=4", *more)


def asked(dataset: Dataset) -> list[tuple[str, int]]:
    sql = (
        "SELECT e.split, count(*) FROM example_splits e JOIN qrels q ON q.example = e.id WHERE e.task = 'text_to_image'"
        " GROUP BY e.split, e.id ORDER BY ALL"
    )
    return dataset.connect().execute(sql).fetchall()


def test_a_repeated_caption_is_one_example_with_several_positives(corpus: Path, tmp_path: Path) -> None:
    dataset = built(corpus, tmp_path / "out")
    # of six images a split, four say that planes are parked, in two wordings, and two show a pond
    split = [1] * 6 + [2, 4]
    assert asked(dataset) == [("train", n) for n in split] + [("val", n) for n in split]
    assert dataset.manifest.counts["joined_queries"] == {"joined": 8, "to": 4}
    assert any("8 examples were joined to 4" in note for note in dataset.manifest.notes)
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []


def test_no_positive_comes_from_another_split(corpus: Path, tmp_path: Path) -> None:
    con = built(corpus, tmp_path / "out").connect()
    strangers = con.execute(
        "SELECT count(*) FROM example_splits e JOIN qrels q ON q.example = e.id JOIN items i ON i.id = q.item"
        " JOIN image_splits s ON s.image = i.image WHERE s.split <> e.split"
    )
    assert strangers.fetchall() == [(0,)]


def test_joined_or_not_the_same_is_right(corpus: Path, tmp_path: Path) -> None:
    joined, apart = built(corpus, tmp_path / "a"), built(corpus, tmp_path / "b", "dedup.queries=false")
    assert [n for _, n in asked(apart)] == [1] * 24
    pairs = (
        "SELECT DISTINCT p.split, p.task, i.text_key, p.item FROM positives p JOIN items i ON i.id = p.query"
        " WHERE p.task = 'text_to_image' ORDER BY ALL"
    )
    assert joined.connect().execute(pairs).fetchall() == apart.connect().execute(pairs).fetchall()
    rest = "SELECT * FROM example_splits e JOIN qrels q ON q.example = e.id WHERE task <> 'text_to_image' ORDER BY ALL"
    assert joined.connect().execute(rest).fetchall() == apart.connect().execute(rest).fetchall()


def test_one_truth_for_each_query_is_scored_as_before(corpus: Path, tmp_path: Path) -> None:
    joined, apart = built(corpus, tmp_path / "a"), built(corpus, tmp_path / "b", "dedup.queries=false")
    for task in ("text_to_image", "image_to_text"):
        one, other = (next(pools(d, d.connect(), "val", [task], "own")) for d in (joined, apart))
        assert one.items == other.items
        assert sorted(p.tolist() for p in one.positives) == sorted(p.tolist() for p in other.positives)
