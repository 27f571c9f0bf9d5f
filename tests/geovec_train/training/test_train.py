"""`geovec-train` as a user runs it: what a run leaves, equal seeds, mini-batches, regions, models without messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.input_module import InputModule

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_train.batches.batch import BatchMaker
from geovec_train.batches.data import load_train
from geovec_train.training.resume import checkpoints
from geovec_train.training.setup import make_model
from geovec_train.training.train import run
from tests.fixtures.dataset import build
from tests.fixtures.voc import write_rsvg
from tests.geovec_train.training.runs import asked, config, same, weights


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("regions")
    write_rsvg(folder / "corpus", images=10, expressions=50)
    return build("recipe=rsvg", f"source.root={folder / 'corpus'}", f"out={folder / 'dataset'}", "workers=1", "units=4")


def test_a_run_leaves_a_model_a_curve_and_a_summary(warm: Path, dataset: Dataset) -> None:
    rows = [json.loads(line) for line in (warm / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in rows] == [1, 2, 4, 6]
    assert all(np.isfinite(r["loss"]) and 0 <= r["waiting_for_data"] <= 1 and r["pairs_per_s"] > 0 for r in rows)
    summary = json.loads((warm / "summary.json").read_text())
    assert summary["steps"] == 6
    assert summary["tasks"].keys() == {"image_to_text", "text_to_image", "scene_class"}
    assert list((warm / "tensorboard").iterdir())
    assert [p.name for p in checkpoints(warm / "checkpoints")] == ["checkpoint-4", "checkpoint-6"]
    assert "RSICD" in (warm / "README.md").read_text()
    model = SentenceTransformer(str(warm), device="cpu")
    assert model.encode("a red square").shape == (128,)
    assert model.prompts["text_to_image"] == dataset.instruction("text_to_image/0")
    assert not list(warm.glob("*.bin")) + list(warm.glob("*.pt")) + list(warm.glob(".model"))


def test_the_same_command_again_does_nothing(warm: Path, dataset: Dataset) -> None:
    before = (warm / "model.safetensors").stat().st_mtime_ns
    assert "nothing to do" in run(config(dataset, warm))["human"][0]
    assert (warm / "model.safetensors").stat().st_mtime_ns == before


def test_equal_seeds_give_equal_weights_and_others_do_not(warm: Path, dataset: Dataset, tmp_path: Path) -> None:
    run(config(dataset, tmp_path / "again"))
    assert same(warm, tmp_path / "again")
    run(config(dataset, tmp_path / "other", seed=1))
    assert not same(warm, tmp_path / "other")


def test_gradient_caching_trains_the_same_model(warm: Path, dataset: Dataset, tmp_path: Path) -> None:
    run(config(dataset, tmp_path / "cached", mini_batch=3))
    one, two = weights(warm), weights(tmp_path / "cached")
    assert all(torch.allclose(one[k], two[k], atol=2e-3) for k in one)


def test_mini_batches_by_tokens_train_the_same_model(dataset: Dataset, tmp_path: Path) -> None:
    plain = run(asked(dataset, tmp_path / "plain", "negatives=none"))
    tokens = run(asked(dataset, tmp_path / "tokens", "negatives=none", "mini_batch_tokens=60"))
    assert tokens["loss"] == pytest.approx(plain["loss"], abs=1e-3)


def test_regions_are_trained_on_within_their_scene(
    regions: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, Any]] = []
    real = BatchMaker.make

    def make(self: BatchMaker, step: int) -> dict[str, Any]:
        batch = real(self, step)
        made.append({"maker": self, "step": step, **batch})
        return batch

    monkeypatch.setattr(BatchMaker, "make", make)
    run(config(regions, tmp_path / "out", steps=9))
    tasks = set()
    for batch in made:
        maker = batch["maker"]
        train = maker.train
        task = train.tasks[int(maker.schedule.tasks[batch["step"]])]
        tasks.add(task)
        rows = sum(len(f["input_ids"]) for f in batch["features"])
        plan = batch["plan"]
        assert set(plan["query"].tolist()) | set(plan["candidate"].tolist()) == set(range(rows))
        if task == "text_to_region":
            scenes = [train.images[train.image[train.ids.index(e)]] for e in batch["examples"]]
            assert not plan["backward"][np.not_equal.outer(scenes, scenes)].any()
            assert len(plan["candidate"]) > len(set(batch["examples"]))  # further regions of the same scenes
            assert (plan["forward"].sum(dim=1) > 1).any()
    assert tasks == {"text_to_region", "region_to_text", "expression_to_region"}


class Plain(InputModule):  # type: ignore[misc]
    """A CLIP-like input module: a text or a picture at a time, no messages."""

    seen: ClassVar[list[Any]] = []

    def __init__(self) -> None:
        super().__init__()
        self.words, self.pixels = torch.nn.Linear(64, 16), torch.nn.Linear(27, 16)

    @property
    def modalities(self) -> list[Any]:
        return ["text", "image"]

    def preprocess(self, inputs: Any, prompt: str | None = None, **_: Any) -> dict[str, Any]:
        Plain.seen.extend(inputs)
        if isinstance(inputs[0], str):
            return {
                "text": torch.stack(
                    [torch.bincount(torch.tensor([ord(c) % 64 for c in t]), minlength=64) for t in inputs]
                )
            }
        return {"image": torch.stack([torch.tensor(np.asarray(i.resize((3, 3))).copy()).flatten() for i in inputs])}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        layer, values = (self.words, features["text"]) if "text" in features else (self.pixels, features["image"])
        features["sentence_embedding"] = torch.nn.functional.normalize(layer(values.float() / 64), dim=1)
        return features

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        self.save_torch_weights(output_path)


def test_a_model_without_messages_gets_plain_texts_and_pictures(
    dataset: Dataset, regions: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "modules.json").write_text("[]")
    monkeypatch.setattr(
        "geovec_train.models.load.load", lambda *_, **__: SentenceTransformer(modules=[Plain()], device="cpu")
    )
    options: dict[str, Any] = {"model": str(tmp_path / "plain")}
    run(config(dataset, tmp_path / "out", **options))
    assert {type(i) for i in Plain.seen} == {str, Image.Image}
    assert not any("Find" in i for i in Plain.seen if isinstance(i, str))
    train = load_train(dataset, ["text_to_image"], None, 1)
    with pytest.raises(UserError, match=r"shard=true: model=.* has a tower for texts and one for images"):
        make_model(config(dataset, tmp_path / "no", shard=True, **options), dataset, train)
    with pytest.raises(UserError, match=r"takes image or text, one at a time, but the tasks have items of image\+box"):
        run(config(regions, tmp_path / "no", **options))
