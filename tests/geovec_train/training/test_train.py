"""`geovec-train` as a user runs it: folders, resuming, negatives, and mistakes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.input_module import InputModule

from geovec_data.dataset import Dataset
from geovec_data.errors import GeoVecError, UserError
from geovec_data.mining.runs import choose_run
from geovec_train.batches.batch import BatchMaker
from geovec_train.batches.data import load_train
from geovec_train.batches.runs import train_tasks
from geovec_train.config import TrainConfig
from geovec_train.training import trainer as trainer_module
from geovec_train.training.curve import read_log
from geovec_train.training.resume import checkpoints
from geovec_train.training.train import run
from tests.fixtures import jobs
from tests.fixtures.dataset import build, caption_dataset
from tests.fixtures.voc import write_rsvg


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return caption_dataset(tmp_path_factory.mktemp("captions"), images=24)


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("regions")
    write_rsvg(folder / "corpus", images=10, expressions=50)
    return build("recipe=rsvg", f"source.root={folder / 'corpus'}", f"out={folder / 'dataset'}", "workers=1", "units=4")


def config(dataset: Dataset, out: Path, **options: Any) -> TrainConfig:
    few: dict[str, Any] = {"steps": 6, "batch": 8, "save_every": 2, "log_every": 2, "device": "cpu"}
    return TrainConfig(dataset=dataset.path, out=out, **(few | options))


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    one, two = weights(a), weights(b)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.fixture(scope="module")
def warm(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "warm (1) = ~"
    run(config(dataset, out))
    return out


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


class Killed(BaseException):
    """What kill -9 would do, as far as Python lets a test do it: nothing after it runs."""


@pytest.fixture
def dies_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    real = trainer_module.Trainer.compute_loss

    def arrange(step: int | None) -> None:
        def compute_loss(self: Any, *args: Any, **options: Any) -> Any:
            if step is not None and self.state.global_step >= step:
                raise Killed
            return real(self, *args, **options)

        monkeypatch.setattr(trainer_module.Trainer, "compute_loss", compute_loss)

    yield arrange


@pytest.mark.parametrize("step", [1, 3, 4])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    warm: Path, dataset: Dataset, tmp_path: Path, dies_at: Any, step: int
) -> None:
    out = tmp_path / "run"
    dies_at(step)
    with pytest.raises(Killed):
        run(config(dataset, out))
    assert not (out / "modules.json").exists()
    assert not (out / "summary.json").exists()
    dies_at(None)
    run(config(dataset, out))
    assert same(warm, out)
    curves = [[(r["step"], r["loss"], r["lr"]) for r in read_log(p / "log.jsonl")] for p in (warm, out)]
    assert curves[0] == curves[1]


def test_a_checkpoint_that_was_being_written_is_not_gone_on_from(
    warm: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def dying(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "save_file", dying)
        with pytest.raises(Killed):
            run(config(dataset, out))
    assert checkpoints(out / "checkpoints") == []
    assert list((out / "checkpoints" / ".writing").iterdir())
    run(config(dataset, out))
    assert same(warm, out)


def test_a_run_killed_while_its_model_is_written_is_completed(
    warm: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def dying(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("geovec_train.models.load.publish", dying)
        with pytest.raises(Killed):
            run(config(dataset, out))
    assert not (out / "summary.json").exists()
    run(config(dataset, out))
    assert same(warm, out)
    assert json.loads((out / "summary.json").read_text())["loss"] is not None


def test_gradient_caching_trains_the_same_model(warm: Path, dataset: Dataset, tmp_path: Path) -> None:
    run(config(dataset, tmp_path / "cached", mini_batch=3))
    one, two = weights(warm), weights(tmp_path / "cached")
    assert all(torch.allclose(one[k], two[k], atol=2e-3) for k in one)


def test_other_settings_in_the_same_folder_are_refused(warm: Path, dataset: Dataset) -> None:
    with pytest.raises(UserError, match=r"other settings.*steps: 6 there, 9 asked"):
        run(config(dataset, warm, steps=9))
    run(config(dataset, warm, save_every=5, log_every=3))  # these change nothing that is learnt


def test_a_folder_with_other_things_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"no run of geovec-train \(thesis.tex"):
        run(config(dataset, tmp_path))
    with pytest.raises(UserError, match="is a file"):
        run(config(dataset, tmp_path / "thesis.tex"))


def test_training_goes_on_from_a_saved_model_with_mined_negatives(warm: Path, dataset: Dataset, tmp_path: Path) -> None:
    home = Dataset(shutil.copytree(dataset.path, tmp_path / "dataset"))
    jobs.mined(home.path, "first", per_example=5)
    summary = run(config(home, tmp_path / "a", model=str(warm), negatives_per_query=2))
    assert summary["negatives"] == "first"
    assert summary["mined_negatives"] == 2 * summary["examples"]
    assert not same(warm, tmp_path / "a")
    none = run(config(home, tmp_path / "b", model=str(warm), negatives="none"))
    assert none["mined_negatives"] == 0
    assert not same(tmp_path / "a", tmp_path / "b")
    jobs.mined(home.path, "second")
    with pytest.raises(UserError, match="several mining runs: first, second"):
        run(config(home, tmp_path / "c"))
    with pytest.raises(UserError, match="Did you mean 'second'"):
        run(config(home, tmp_path / "c", negatives="secnd"))


def test_negatives_of_another_build_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    home = shutil.copytree(dataset.path, tmp_path / "dataset")
    other = caption_dataset(tmp_path / "other", images=30, size=72)
    shutil.copytree(jobs.mined(other.path, "r"), home / "mining" / "r")
    with pytest.raises(UserError, match="mined on another build"):
        run(config(Dataset(home), tmp_path / "a", negatives="r"))


def test_negatives_of_a_held_out_split_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    home = Dataset(shutil.copytree(dataset.path, tmp_path / "dataset"))
    jobs.mined(home.path, "held", split="val")
    with pytest.raises(UserError, match=r"mined on the val split \(pool.split=val\).* leak"):
        run(config(home, tmp_path / "a", negatives="held"))


def test_mined_negatives_are_ragged_and_hardest_first(dataset: Dataset, tmp_path: Path) -> None:
    home = Dataset(shutil.copytree(dataset.path, tmp_path / "dataset"))
    folder = jobs.mined(home.path, "r", per_example=5)
    train = load_train(home, train_tasks(home, ["text_to_image"]), choose_run(home, None), 3)
    rows = [train.negatives.row(e) for e in range(len(train))]
    assert {len(r) for r in rows} == {3}
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "negatives.parquet").to_pylist()
    for e, row in enumerate(rows[:5]):
        best = sorted((r for r in table if r["example"] == train.ids[e]), key=lambda r: r["rank"])[:3]
        assert [train.items[i] for i in row] == [r["item"] for r in best]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tasks": ("text_to_imag",)}, "Did you mean 'text_to_image'"),
        ({"model": "runs/absent"}, "no such folder"),
        ({"negatives": "first"}, "no finished mining run"),
        ({"side": 100}, "multiple of 28"),
        ({"box_codec": "qwen"}, "box codec"),
        ({"weights": {"scene": 1.0}}, "weights"),
    ],
)
def test_mistakes_are_told_in_one_message(dataset: Dataset, tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run(config(dataset, tmp_path / "out", **options))
    run(config(dataset, tmp_path / "out", steps=1, log_every=50))  # and the mended command may use the folder


def test_no_dataset_and_no_train_split_are_told(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a GeoVec dataset"):
        run(TrainConfig(dataset=tmp_path, out=tmp_path / "out"))
    home = Dataset(shutil.copytree(dataset.path, tmp_path / "dataset"))
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in home.files("splits"):
        table = pq.read_table(file)
        pq.write_table(table.set_column(1, "split", pa.array(["test"] * len(table))), file)
    with pytest.raises(UserError, match="no example in its train split"):
        run(config(home, tmp_path / "out"))


def test_out_may_not_be_the_models_folder(warm: Path, dataset: Dataset) -> None:
    with pytest.raises(UserError, match="choose another"):
        run(config(dataset, warm, model=str(warm)))


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(GeoVecError, match=r"bad_batch\.json") as caught:
        run(config(dataset, out, lr=1e30, clip=0.0, warmup=0))
    assert not isinstance(caught.value, UserError)
    bad = json.loads((out / "bad_batch.json").read_text())
    ids = set(dataset.read("examples", ["id"]).column("id").to_pylist())
    assert bad["examples"]
    assert set(bad["examples"]) <= ids
    assert not (out / "summary.json").exists()


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
    with pytest.raises(UserError, match=r"takes image or text, one at a time, but the tasks have items of image\+box"):
        run(config(regions, tmp_path / "no", **options))
