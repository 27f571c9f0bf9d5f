"""Every task that the recipes know passes through build, training, mining and evaluation: one corpus with all facts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geovec_data.dataset import Dataset
from geovec_data.mining.config import MineConfig
from geovec_data.mining.mine import run as mine
from geovec_data.readers import base
from geovec_data.readers.base import Entry
from geovec_data.records import Question, Region, Reject, Scene
from geovec_data.tasks import task_names
from geovec_data.verify.verify import VerifyConfig
from geovec_data.verify.verify import run as verify
from geovec_train.config import TrainConfig
from geovec_train.evaluation.evaluate import EvalConfig
from geovec_train.evaluation.evaluate import run as evaluate
from geovec_train.training.train import run as train
from tests.fixtures.dataset import build
from tests.fixtures.photo import photo

IMAGES = 24
RECIPE = """
name: everything
title: A corpus with all facts
summary: For a test.
homepage: https://example.org
licence: {{name: CC0-1.0, attribution: the test}}
layout_source: https://example.org
get: made
verified: documentation
reader: {{name: voc}}
tasks: [{tasks}]
compose: {{per_image: 0}}
split: {{train: 0.6, val: 0, test: 0.4}}
"""


class Everything(base.Reader):
    """Scenes of which everything is known."""

    name = "everything"
    layout = "<root>/*.png"

    def entries(self) -> Iterator[Entry]:
        """List the images."""
        return (Entry(p.name, (p.name,), n) for n, p in enumerate(sorted(self.root.glob("*.png"))))

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Make a scene up."""
        n = entry.payload
        present = [c for bit, c in enumerate(("ship", "tank")) if (n + 1) >> bit & 1 or c == "ship"]
        yield Scene(
            key=entry.key,
            corpus=self.corpus,
            path=entry.key,
            captions=(f"scene number {n} of the coast",),
            scene_class=("harbor", "beach")[n % 2],
            attributes=(("color", ("blue", "gray")[n // 2 % 2]),),
            questions=(
                Question(text="Is there a ship?", answers=("yes",), kind="presence", choices=("yes", "no")),
                Question(text="How many tanks are there?", answers=(str(n % 4),), kind="count"),
            ),
            places=(("country", ("Norway", "Peru")[n % 2]), ("city", ("Oslo", "Lima")[n % 2])),
            regions=tuple(
                Region(box=(4.0 + 20 * i, 4, 20.0 + 20 * i, 20), category=c, expressions=(f"the {c} number {n}",))
                for i, c in enumerate(present)
            ),
            lon=5.0 + n,
            lat=60.0,
        )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("everything")
    (folder / "corpus").mkdir()
    for n in range(IMAGES):
        Image.fromarray(photo(np.random.default_rng([n, 3]), 56, 56)).save(folder / "corpus" / f"{n:02d}.png")
    recipe = folder / "everything.yaml"
    recipe.write_text(RECIPE.format(tasks=", ".join(task_names())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("geovec_data.build.unit.make_reader", lambda job: Everything(job.root, None, job.corpus))
        patch.setattr("geovec_data.build.jobs.make_reader", lambda job: Everything(job.root, None, job.corpus))
        arguments = (f"source.root={folder / 'corpus'}", f"out={folder / 'dataset'}", "workers=1", "units=2")
        return build(f"recipe={recipe}", *arguments)


@pytest.fixture(scope="module")
def encoder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "warm"
    train(TrainConfig(dataset=dataset.path, model="tiny", out=out, steps=20, batch=8, side=56, device="cpu"))
    return out


def test_every_task_has_examples_of_its_kinds(dataset: Dataset) -> None:
    assert set(dataset.manifest.counts["tasks"]) == set(task_names())
    assert all({"train", "test"} <= set(by) for by in dataset.manifest.counts["tasks"].values())
    con = dataset.connect()
    for task, query, target in con.execute(
        "SELECT DISTINCT e.task, q.modality, t.modality FROM examples e JOIN items q ON q.id = e.query"
        " JOIN qrels r ON r.example = e.id JOIN items t ON t.id = r.item"
    ).fetchall():
        info = dataset.manifest.tasks[task]
        assert (query, target) == (info.query_kind, info.target_kind)
    assert verify(VerifyConfig(dataset=dataset.path))["faults"] == []


def test_every_task_is_trained_mined_and_scored(dataset: Dataset, encoder: Path, tmp_path: Path) -> None:
    assert json.loads((encoder / "summary.json").read_text())["tasks"].keys() == set(task_names())
    options: dict[str, Any] = {"dataset": dataset.path, "encoder": str(encoder), "device": "cpu", "k": 3}
    facts = mine(MineConfig.model_validate(options))
    assert facts["tasks"].keys() == set(task_names())
    assert not facts["skipped"]
    con = dataset.connect()
    con.register("negatives", pq.read_table(dataset.path / "mining/default/negatives.parquet"))
    wrong = con.execute(
        "SELECT count(*) FROM negatives n JOIN qrels r ON r.example = n.example AND r.item = n.item"
    ).fetchall()
    assert wrong == [(0,)]
    kinds = con.execute(
        "SELECT DISTINCT e.pool_key, i.segments[1].text FROM negatives n JOIN examples e ON e.id = n.example"
        " JOIN items i ON i.id = n.item WHERE e.pool_key IS NOT NULL ORDER BY ALL"
    ).fetchall()
    answers = {"city": {"Lima", "Oslo"}, "country": {"Norway", "Peru"}, "presence": {"no"}, "count": set("0123")}
    assert all(text in answers[kind] for kind, text in kinds)
    assert {kind for kind, _ in kinds} == set(answers)
    own = con.execute(
        "SELECT count(*) FROM negatives n JOIN examples e ON e.id = n.example JOIN items i ON i.id = n.item"
        " WHERE e.task = 'composed_to_image' AND i.image = e.image"
    ).fetchall()
    assert own == [(0,)]
    again = TrainConfig(
        dataset=dataset.path, model=str(encoder), negatives="default", out=tmp_path / "again", steps=2, batch=8,
        device="cpu",
    )  # fmt: skip
    train(again)
    scores = evaluate(EvalConfig(dataset=dataset.path, model=str(tmp_path / "again"), device="cpu", bootstrap=0))
    assert {r["task"] for r in scores["tasks"] if r["metrics"]} == set(task_names())
    kinds_of = {r["task"]: r.get("kinds", {}) for r in scores["tasks"]}
    assert {k: v["pool"] for k, v in kinds_of["question_answer"].items()} == {
        "everything/count": 4,
        "everything/presence": 2,
    }
    assert kinds_of["image_to_place"].keys() == {"everything/city", "everything/country"}
    assert kinds_of["question_answer"]["everything/presence"]["metrics"]["P@1"]["chance"] == 0.5
    assert not kinds_of["scene_class"]
    assert any("everything/count" in line for line in scores["human"])
