"""Adapters: what is trained, merged, saved and put back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from geovec_data.errors import UserError
from geovec_train.models import lora
from geovec_train.models.load import load, save_model
from geovec_train.models.lora_options import LoraOptions
from tests.fixtures.vlm import FAMILIES, write_vlm

TEXTS = ["a pier", "many planes on an apron"]


def model_with(folder: Path, options: LoraOptions, dtype: str = "float32") -> SentenceTransformer:
    """A model whose adapters are as after some training: they add something."""
    model = load(folder, device="cpu", dtype=dtype)
    lora.add_adapters(model, options, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1, generator=generator)
    return model


def embed(model: SentenceTransformer) -> np.ndarray[Any, Any]:
    out: np.ndarray[Any, Any] = model.encode(TEXTS)
    return out


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dora", [False, True])
def test_merged_vectors_are_the_adapters_and_the_model_goes_on_as_it_was(
    tmp_path: Path, family: str, dora: bool
) -> None:
    base = write_vlm(tmp_path / "base", family)
    model = model_with(base, LoraOptions(rank=4, dora=dora))
    with_adapters = embed(model)
    assert np.abs(with_adapters - embed(load(base, device="cpu"))).max() > 1e-2
    before = {k: v.clone() for k, v in model.state_dict().items()}
    save_model(model, tmp_path / "merged")
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[k], before[k]) for k in before)
    assert np.array_equal(embed(model), with_adapters)
    plain = SentenceTransformer(str(tmp_path / "merged"), device="cpu")
    assert not any("lora" in name for name, _ in plain.named_parameters())
    assert np.abs(embed(plain) - with_adapters).max() < 1e-5


def test_only_the_language_models_named_layers_are_trained(tmp_path: Path) -> None:
    model = model_with(write_vlm(tmp_path / "base", "qwen2_5_vl"), LoraOptions(rank=2, targets=("q_proj", "up_proj")))
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * 2 * 2  # layers, targets, two matrices
    assert all("language_model" in n and ("q_proj.lora_" in n or "up_proj.lora_" in n) for n in trained)


def test_weights_that_rest_may_be_bfloat16_while_adapters_are_float32(tmp_path: Path) -> None:
    base = write_vlm(tmp_path / "base", "qwen2_vl")
    model = model_with(base, LoraOptions(rank=4), dtype="bfloat16")
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert {p.dtype for p in model.parameters() if not p.requires_grad} == {torch.bfloat16}
    with torch.autocast("cpu", torch.bfloat16):
        with_adapters = embed(model)
    save_model(model, tmp_path / "merged")
    plain = SentenceTransformer(str(tmp_path / "merged"), device="cpu")
    assert {p.dtype for p in plain.parameters()} == {torch.bfloat16}
    cosines = (embed(plain).astype(np.float32) * with_adapters.astype(np.float32)).sum(axis=1)
    assert (cosines > 0.995).all()


def test_the_adapter_folder_is_pefts(tmp_path: Path) -> None:
    from peft import PeftModel

    base = write_vlm(tmp_path / "base", "qwen3_vl")
    model = model_with(base, LoraOptions(rank=4))
    lora.export_adapters(model, tmp_path / "adapter", "Qwen/Qwen3-VL-2B-Instruct")
    fresh = load(base, device="cpu")
    fresh[0].model = PeftModel.from_pretrained(fresh[0].model, str(tmp_path / "adapter")).merge_and_unload()
    assert np.abs(embed(fresh) - embed(model)).max() < 1e-5
    assert "Qwen/Qwen3-VL-2B-Instruct" in (tmp_path / "adapter" / "adapter_config.json").read_text()


def test_a_checkpoint_holds_the_adapters_alone_and_gives_them_back(tmp_path: Path) -> None:
    base = write_vlm(tmp_path / "base", "qwen2_vl")
    model = model_with(base, LoraOptions(rank=4))
    lora.save_adapters(model, tmp_path / "checkpoint")
    assert [p.name for p in (tmp_path / "checkpoint").iterdir()] == ["adapter.safetensors"]
    other = load(base, device="cpu")
    lora.add_adapters(other, LoraOptions(rank=4), seed=5)
    lora.load_adapters(other, tmp_path / "checkpoint")
    assert np.array_equal(embed(other), embed(model))


def test_a_layer_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    model = load(write_vlm(tmp_path / "base", "qwen2_vl"), device="cpu")
    with pytest.raises(UserError, match=r"no linear layer 'q_pro'\. Did you mean 'q_proj'"):
        lora.add_adapters(model, LoraOptions(rank=2, targets=("q_pro",)), seed=0)


def test_without_peft_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match=r"pip install 'geovec\[lora\]'.*lora.rank=0"):
        lora.check_installed()
