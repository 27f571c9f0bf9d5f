"""Order of examples, turns of pictures, memory of decoded images, and the thread that makes batches ahead."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from geovec_data.errors import UserError
from geovec_data.records import Segment
from geovec_train.batches.loader import Ahead
from geovec_train.batches.pictures import TURNS, PictureCache, may_turn, turned
from geovec_train.batches.sampler import Schedule
from tests.geovec_train.toy import random_trainset


def test_every_example_comes_once_an_epoch_and_positives_take_turns() -> None:
    train = random_trainset(0, examples=50, tasks=1)
    schedule = Schedule(train, steps=30, batch=10, seed=3)
    seen: list[int] = []
    for step in range(15):
        examples, epochs = schedule.examples(step)
        assert set(epochs) == {step // 5}
        seen += examples.tolist()
    for epoch in range(3):
        assert sorted(seen[50 * epoch : 50 * epoch + 50]) == list(range(50))
    assert seen[:50] != seen[50:100]
    for e in range(50):
        row = train.positives.row(e)
        drawn = [schedule.positive(e, epoch) for epoch in range(len(row))]
        assert sorted(drawn) == row.tolist()


def test_a_batch_holds_one_task_and_no_example_twice() -> None:
    train = random_trainset(1, examples=30, tasks=3)
    schedule = Schedule(train, steps=60, batch=16, seed=0)
    for step in range(60):
        examples, _ = schedule.examples(step)
        assert set(train.task[examples]) == {schedule.tasks[step]}
        assert len(set(examples.tolist())) == len(examples) > 1


def test_steps_are_a_pure_function_of_seed_and_step() -> None:
    train = random_trainset(2)
    one, two = (Schedule(train, steps=20, batch=8, seed=5) for _ in range(2))
    backwards = [one.examples(s)[0].tolist() for s in reversed(range(20))][::-1]
    assert backwards == [two.examples(s)[0].tolist() for s in range(20)]
    other = Schedule(train, steps=20, batch=8, seed=6)
    assert backwards != [other.examples(s)[0].tolist() for s in range(20)]


def test_tasks_take_turns_by_weight() -> None:
    train = random_trainset(3, examples=200, tasks=3)
    schedule = Schedule(train, steps=100, batch=8, seed=0, weights={"task0": 3, "task2": 1})
    count = Counter(schedule.tasks.tolist())
    assert count == {0: 75, 2: 25}
    assert all(abs(Counter(schedule.tasks[:n].tolist())[0] - 0.75 * n) <= 1 for n in range(1, 100))
    shares = Schedule(train, steps=10, batch=8, seed=0).weights
    sizes = np.sqrt(np.bincount(train.task))
    assert [shares[f"task{t}"] for t in range(3)] == pytest.approx((sizes / sizes.sum()).tolist())


@pytest.mark.parametrize("weights", [{"taks0": 1.0}, {"task0": 0.0}, {"task0": -1.0, "task1": 2.0}])
def test_wrong_weights_are_told(weights: dict[str, float]) -> None:
    with pytest.raises(UserError, match="weights"):
        Schedule(random_trainset(0), steps=1, batch=2, seed=0, weights=weights)


def test_scenes_stay_together_where_the_pool_is_the_scene() -> None:
    train = random_trainset(4, examples=240, scenes=12, tasks=1)
    pool = {(0, s): np.array([0, 1]) for s in range(12)}
    schedule = Schedule(replace(train, pool=pool), steps=10, batch=32, seed=0, per_scene=8)
    seen: list[int] = []
    for step in range(7):
        examples, _ = schedule.examples(step)
        seen += examples.tolist()
        assert len(set(train.image[examples])) <= 32 // 8 + 5
        assert len(set(train.image[examples])) > 1
    assert len(set(seen)) == len(seen)


def test_examples_of_an_image_stand_together_where_it_is_asked_for() -> None:
    train = random_trainset(4, examples=240, scenes=48, tasks=1)
    found = {}
    for most in (0, 5):
        schedule = Schedule(train, steps=8, batch=30, seed=0, per_image=most)
        batches = [schedule.examples(step)[0] for step in range(8)]
        assert sorted(np.concatenate(batches).tolist()) == list(range(240))
        found[most] = sum(len(set(train.image[b].tolist())) for b in batches)
    assert found[5] < found[0] / 2
    assert found[5] >= 48


def test_pictures_are_turned_only_where_no_words_or_numbers_forbid_it() -> None:
    image, box = Segment.of_image("a"), Segment.of_box((0, 0, 2, 2))
    assert may_turn([(image,), (Segment.of_text("planes beside a terminal"),)], "Find the caption.")
    for text in (
        *("a pier on the LEFT side", "north-east of it", "the upper tank", "southern edge", "top-left plane"),
        *("the lowest ship", "the highest one", "further up", "it points downward", "a leftward bend", "NE of it"),
        *("the righthand dock", "underneath the bridge", "at 3 o'clock", "upside down"),
    ):
        assert not may_turn([(image,), (Segment.of_text(text),)]), text
    assert not may_turn([(image, box)])
    assert not may_turn([(image,), (Segment.of_coordinate(1, 2),)])
    assert not may_turn([(image,)], "Name the leftmost object at the left.")


def test_turns_are_the_eight_symmetries() -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    all_turns = [turned(pixels, t) for t in range(TURNS)]
    assert np.array_equal(all_turns[0], pixels)
    assert len({(t.shape, t.tobytes()) for t in all_turns}) == 8
    assert all(sorted(t.reshape(-1, 3).tolist()) == sorted(pixels.reshape(-1, 3).tolist()) for t in all_turns)


def test_cache_holds_no_more_than_its_limit() -> None:
    fetched: list[str] = []

    def fetch(image: str) -> bytes:
        fetched.append(image)
        return image.encode()

    cache = PictureCache(fetch, lambda data: np.full((10, 10, 3), data[0], dtype=np.uint8), limit=700)
    for image in ("a", "b", "a", "c", "a", "b"):
        assert cache.get([image])[image][0, 0, 0] == ord(image)
    assert fetched == ["a", "b", "c", "b"]
    assert cache._bytes <= 700
    none = PictureCache(fetch, lambda data: np.zeros((10, 10, 3), dtype=np.uint8), limit=0)
    none.get(["x"])
    none.get(["y"])
    assert none._bytes == 300


def test_pictures_of_a_batch_are_decoded_side_by_side() -> None:
    together = threading.Barrier(3, timeout=30)

    def prepare(data: bytes) -> np.ndarray:
        together.wait()  # breaks unless three are decoded at once
        return np.full((10, 10, 3), data[0], dtype=np.uint8)

    cache = PictureCache(str.encode, prepare, limit=10**6, workers=3)
    found = cache.get(["a", "b", "c"])
    assert {i: p[0, 0, 0] for i, p in found.items()} == {"a": 97, "b": 98, "c": 99}
    assert cache.get(["c", "a"])["a"] is found["a"]
    small = PictureCache(str.encode, lambda data: np.full((10, 10, 3), data[0], dtype=np.uint8), limit=500, workers=2)
    assert list(small.get(["a", "b", "c"])) == ["a", "b", "c"]  # all of a batch, though not all are held
    assert small._bytes == 300


def test_batches_come_in_order_from_where_the_run_stands() -> None:
    ahead = Ahead(lambda step: {"step": step, "examples": ["a", "b"]}, lambda: 4, 9)
    assert [b["step"] for b in ahead] == [4, 5, 6, 7, 8]
    assert ahead.drawn == 10
    assert len(ahead) == 9


def test_a_failure_in_the_thread_reaches_the_training() -> None:
    def make(step: int) -> dict[str, Any]:
        if step == 2:
            raise KeyError("lost image")
        return {"examples": []}

    with pytest.raises(KeyError, match="lost image"):
        list(Ahead(make, lambda: 0, 5))


def test_the_thread_ends_when_training_stops_early() -> None:
    before = set(threading.enumerate())  # a run that failed in another test may be held by its traceback
    ahead = Ahead(lambda step: {"step": step, "examples": ["a", "b"]}, lambda: 0, 10**9)
    for batch in ahead:
        if batch["step"] == 3:
            break
        assert any(t.name == "geovec-batches" for t in set(threading.enumerate()) - before)
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before
