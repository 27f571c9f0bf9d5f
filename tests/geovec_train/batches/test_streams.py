"""How often an example of a corpus is drawn: by weight, in proportion to size, whatever other corpora there are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data.errors import UserError
from geovec_train.batches.sampler import Schedule
from geovec_train.batches.streams import Stream, corpus_weights, deal, mass
from geovec_train.config import TrainConfig
from geovec_train.training.train import run
from tests.fixtures import corpora
from tests.fixtures.dataset import build
from tests.geovec_train.toy import random_trainset

STREAMS = st.lists(st.builds(Stream, st.floats(0.01, 100), st.integers(1, 5000).map(np.arange)), min_size=1, max_size=6)


@given(STREAMS, st.integers(2, 40), st.integers(1, 40))
def test_every_batch_is_full_and_no_stream_runs_ahead(streams: list[Stream], batch: int, turns: int) -> None:
    dealt = deal(streams, batch, turns)
    assert (dealt >= 0).all()
    assert (dealt.sum(axis=1) == batch).all()
    shares = np.array([s.weight * len(s.members) for s in streams]) / mass(streams)
    ahead = np.cumsum(dealt, axis=0) - np.outer(np.arange(1, turns + 1) * batch, shares)
    assert ahead.max() < 1 + 1e-6
    assert ahead.min() > -len(streams)


def drawn(schedule: Schedule, corpus: np.ndarray, steps: int) -> Counter[int]:
    return Counter(int(corpus[e]) for step in range(steps) for e in schedule.examples(step)[0])


def test_equal_weights_draw_in_proportion_to_size_and_as_one_corpus() -> None:
    train = random_trainset(0, examples=400, tasks=1, corpora=2)
    sizes = replace(train, corpus=(np.arange(400) >= 300).astype(np.int64))
    plain = Schedule(random_trainset(0, examples=400, tasks=1), steps=40, batch=10, seed=1)
    schedule = Schedule(sizes, steps=40, batch=10, seed=1)
    assert drawn(schedule, sizes.corpus, 40) == {0: 300, 1: 100}
    assert [schedule.examples(s)[0].tolist() for s in range(40)] == [plain.examples(s)[0].tolist() for s in range(40)]
    assert schedule.corpora == pytest.approx({"corpus0": 0.75, "corpus1": 0.25})


def test_an_example_of_weight_three_comes_three_times_as_often() -> None:
    train = random_trainset(0, examples=400, tasks=1, corpora=2)
    schedule = Schedule(train, steps=80, batch=10, seed=1, corpora={"corpus1": 3.0})
    assert schedule.corpora == pytest.approx({"corpus0": 0.25, "corpus1": 0.75})
    count = drawn(schedule, train.corpus, 80)
    assert abs(count[0] - 200) <= 1
    assert abs(count[1] - 600) <= 1
    each = Counter(int(e) for step in range(80) for e in schedule.examples(step)[0])
    assert {each[int(e)] for e in np.flatnonzero(train.corpus == 0)} <= {0, 1, 2}
    assert {each[int(e)] for e in np.flatnonzero(train.corpus == 1)} == {3}


def test_a_corpus_of_weight_zero_is_never_drawn() -> None:
    train = random_trainset(0, examples=100, tasks=2, corpora=2)
    schedule = Schedule(train, steps=30, batch=10, seed=1, corpora={"corpus0": 0.0})
    assert set(drawn(schedule, train.corpus, 30)) == {1}
    assert schedule.corpora["corpus0"] == 0


def test_another_corpus_leaves_the_order_and_the_rates_of_the_others() -> None:
    three = random_trainset(0, examples=300, tasks=1, corpora=3)
    two = replace(three, task=np.where(three.corpus == 2, 1, 0), tasks=["task0", "other"])
    weights = {"corpus1": 2.0, "corpus2": 0.5}
    with_it = Schedule(three, steps=60, batch=10, seed=4, corpora=weights)
    without = Schedule(two, steps=60, batch=10, seed=4, corpora=weights, weights={"task0": 1.0})

    def order(schedule: Schedule, corpus: int) -> list[int]:
        return [int(e) for s in range(60) for e in schedule.examples(s)[0] if three.corpus[e] == corpus]

    for corpus in (0, 1):
        a, b = order(with_it, corpus), order(without, corpus)
        n = min(len(a), len(b))
        assert n > 100
        # within a batch a repeated example is dropped, which only an epoch's end can bring about
        assert sum(x == y for x, y in zip(a[:90], b[:90], strict=True)) == 90
    assert len(order(with_it, 1)) / len(order(with_it, 0)) == pytest.approx(2, rel=0.05)


def test_task_shares_count_examples_by_weight() -> None:
    train = random_trainset(0, examples=300, tasks=2, corpora=2)
    by_task = replace(train, task=train.corpus)
    even = Schedule(by_task, steps=1, batch=2, seed=0).weights
    heavy = Schedule(by_task, steps=1, batch=2, seed=0, corpora={"corpus1": 4.0}).weights
    assert even == pytest.approx({"task0": 0.5, "task1": 0.5})
    assert heavy == pytest.approx({"task0": 1 / 3, "task1": 2 / 3})


def test_a_task_that_nothing_may_be_drawn_of_is_told() -> None:
    train = random_trainset(0, examples=100, tasks=2, corpora=2)
    by_task = replace(train, task=train.corpus)
    with pytest.raises(UserError, match="task 'task0' all have weight 0"):
        Schedule(by_task, steps=1, batch=2, seed=0, weights={"task0": 1.0}, corpora={"corpus0": 0.0})


def test_the_datasets_weights_hold_unless_asked_otherwise() -> None:
    assert corpus_weights(["a", "b", "c"], {"a": 2.0, "b": 3.0}, {"b": 0.5}) == {"a": 2.0, "b": 0.5, "c": 1.0}
    with pytest.raises(UserError, match="Did you mean 'rsvg'"):
        corpus_weights(["rsvg", "rsicd"], {}, {"rsgv": 1.0})
    with pytest.raises(UserError, match="no weight"):
        corpus_weights(["rsvg"], {}, {"rsvg": -1.0})


def test_a_run_draws_by_the_weights_of_the_dataset(tmp_path: Path) -> None:
    places = corpora.write_many(["rsicd", "rsitmd"], tmp_path / "corpora")
    common = ("units=2", "workers=1", "tasks=[image_to_text]", "checks.max_reject_fraction=1", "split=image")
    dataset = build("recipe=rsicd,rsitmd", *places, *common, f"out={tmp_path / 'd'}", "corpora.rsicd.weight=3")
    train = {c: by["tasks"]["image_to_text"]["train"] for c, by in dataset.manifest.counts["corpora"].items()}
    short = {"dataset": dataset.path, "model": "tiny", "steps": 1, "batch": 4, "device": "cpu"}
    summary = run(TrainConfig(out=tmp_path / "run", **short))
    mass_of = {"rsicd": 3 * train["rsicd"], "rsitmd": train["rsitmd"]}
    assert summary["corpora"] == pytest.approx({c: m / sum(mass_of.values()) for c, m in mass_of.items()})
    assert "Examples drawn: rsicd" in (tmp_path / "run" / "README.md").read_text()
    other = run(TrainConfig(out=tmp_path / "other", corpora={"rsicd": 0}, **short))
    assert other["corpora"] == {"rsicd": 0.0, "rsitmd": 1.0}
