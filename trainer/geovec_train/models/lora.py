"""Adapters of low rank in a model: put in, saved small in checkpoints, and merged into what others load.

A finished run is a plain model folder: the adapters' products are added to the weights, so that it loads without PEFT
and without the base model. Beside it, in ``adapter/``, lie the adapters alone in PEFT's form.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from geovec_data.errors import UserError, suggest
from geovec_train.models.lora_options import LoraOptions

FILE = "adapter.safetensors"
FOLDER = "adapter"
_NAME = "default"


def check_installed() -> None:
    """See that PEFT is there.

    Raises:
        UserError: when it is not; says how it is installed.
    """
    from importlib.util import find_spec

    if find_spec("peft") is None:
        raise UserError(
            "lora.rank needs the package peft: pip install 'geovec[lora]' (or pip install peft). lora.rank=0 trains all"
            " weights and does without"
        )


def adaptable(model: Any) -> list[str]:
    """Return the paths of the linear layers that can get adapters: the language model's, where there is one."""
    inner = getattr(model[0], "model", None)
    layers = inner.named_modules() if isinstance(inner, nn.Module) else ()
    names = [name for name, layer in layers if isinstance(layer, nn.Linear)]
    return [name for name in names if "language_model." in name] or names


def add_adapters(model: Any, options: LoraOptions, seed: int) -> None:
    """Put adapters into a SentenceTransformer; from then on they alone are trained, in float32.

    Args:
        model: the model; its first module holds the transformer.
        options: rank, layers, form.
        seed: of the adapters' first weights (they add nothing at first).

    Raises:
        UserError: when PEFT is not installed, or the model has no layer of those names.
    """
    check_installed()
    from peft import LoraConfig, inject_adapter_in_model

    inner, names = model[0].model, adaptable(model)
    found = {name.rpartition(".")[2] for name in names}
    for target in options.targets:
        if target not in found:
            raise UserError(f"lora.targets: this model has no linear layer '{target}'.{suggest(target, found)}")
    inside = r"language_model\..*\." if any("language_model." in name for name in names) else ""
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha or 4 * options.rank,
        target_modules=rf"(.*\.)?{inside}({'|'.join(options.targets)})",
        use_dora=options.dora,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, inner, adapter_name=_NAME)
    for parameter in inner.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def adapters(model: Any) -> dict[str, Tensor]:
    """Return the adapters' weights by name; empty: the model has none."""
    return {
        name: p.detach().contiguous()
        for name, p in model.named_parameters()
        if ".lora_" in name and f".{_NAME}" in name
    }


def save_adapters(model: Any, folder: Path) -> None:
    """Write the adapters into a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(adapters(model), folder / FILE)


@torch.no_grad()
def load_adapters(model: Any, folder: Path) -> None:
    """Read the adapters of a checkpoint, made with the same options, into a model."""
    own = dict(model.named_parameters())
    for name, weight in load_file(folder / FILE).items():
        own[name].copy_(weight)


@contextmanager
def merged(model: Any) -> Iterator[None]:
    """Let the model be a plain one, with the adapters in its weights, while the block runs; then as it was, exactly."""
    layers = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if hasattr(layer, "lora_A") and hasattr(layer, "get_base_layer")
    ]
    kept: list[Tensor] = []
    for parent, name, layer in layers:
        base = layer.get_base_layer()
        kept.append(base.weight.detach().to("cpu", copy=True))  # adding and taking away would not restore it exactly
        layer.merge()
        setattr(parent, name, base)
    try:
        yield
    finally:
        for (parent, name, layer), weight in zip(layers, kept, strict=True):
            setattr(parent, name, layer)
            layer.merged_adapters.clear()
            layer.get_base_layer().weight.data.copy_(weight)


def export_adapters(model: Any, folder: Path, base: str) -> None:
    """Write the adapters in PEFT's form, to be put onto the base model by PEFT.

    Args:
        model: the model with its adapters.
        folder: where to.
        base: name of the base model, kept in ``adapter_config.json``.
    """
    config = model[0].model.peft_config[_NAME]
    config.base_model_name_or_path = base
    config.inference_mode = True
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(str(folder))
    prefix = "0.model."
    own = {
        f"base_model.model.{name.removeprefix(prefix)}".replace(f".{_NAME}", ""): weight.cpu()
        for name, weight in adapters(model).items()
    }
    save_file(own, folder / "adapter_model.safetensors", metadata={"format": "pt"})
