"""Vision-language models by short names, and how they are trained where the user does not say otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geovec_data.mining.model_folder import find

if TYPE_CHECKING:
    from geovec_train.config import TrainConfig


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model of the Hugging Face hub.

    Attributes:
        hub: its name there.
        licence: the one that its authors state there.
    """

    hub: str
    licence: str


HUB = {
    "qwen2vl_2b": HubModel("Qwen/Qwen2-VL-2B-Instruct", "Apache-2.0"),
    "qwen2vl_7b": HubModel("Qwen/Qwen2-VL-7B-Instruct", "Apache-2.0"),
    "qwen2_5vl_3b": HubModel("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen Research License (no commercial use)"),
    "qwen3vl_2b": HubModel("Qwen/Qwen3-VL-2B-Instruct", "Apache-2.0"),
}

# LoRA, learning rate and temperature of VLM2Vec (arXiv 2410.05160; TIGER-AI-Lab/VLM2Vec), which trains the same models
# for the same end; the most visual tokens are those of transformers' Qwen2-VL.
_RANK = 16
_OTHERS: dict[str, Any] = {
    "lr": 5e-5,
    "weight_decay": 0.0,
    "temperature": 0.02,
    "learn_temperature": False,
    "gradient_checkpointing": True,
    "max_visual_tokens": 1280,
}


def locate(name: str, option: str = "model") -> Path:
    """Return the folder of one of `HUB`, a local model or a model of the hub (see `find`)."""
    return find(HUB[name].hub if name in HUB else name, option)


def made_from(model: Any) -> dict[str, str]:
    """Return what a model of GeoVec notes of its base, as `base_of` returned it; nothing: from scratch.

    Of its whole record, with the datasets it learnt from, see `geovec_train.models.lineage`.
    """
    saved = getattr(getattr(model[0], "config", None), "geovec", None) or {}
    return dict(saved.get("base") or {})


def base_of(name: str) -> dict[str, str]:
    """Return a model that is not GeoVec's as the base of what is trained from it, ``{"model", "licence"}``.

    Args:
        name: as the user gave it.
    """
    if name in HUB:
        return {"model": HUB[name].hub, "licence": HUB[name].licence}
    folder = locate(name)
    known = next((p for p in HUB.values() if p.hub == name), None)
    return {
        "model": folder.name if folder == Path(name).expanduser() else name,
        "licence": known.licence if known else _stated(folder),
    }


def _stated(folder: Path) -> str:
    """Return the licence that a folder's model card states in its front matter."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    found = re.search(r"^license:\s*(\S+)\s*$", front[1], re.MULTILINE) if front else None
    return found[1] if found else "not stated in its folder"


def settled(config: TrainConfig, folder: Path) -> TrainConfig:
    """Fill in what the user left open when the model is a vision-language one; others keep the usual defaults.

    Args:
        config: the options.
        folder: of the model that is trained on.
    """
    from geovec_train.models.checkpoint import is_vision_language

    if not is_vision_language(folder):
        return config
    given = config.model_fields_set
    values = {k: v for k, v in _OTHERS.items() if k not in given}
    if config.side is not None:
        values.pop("max_visual_tokens", None)
    if "precision" not in given and _has_bf16(config.device):
        values["precision"] = "bf16"
    if "rank" not in config.lora.model_fields_set:
        values["lora"] = config.lora.model_copy(update={"rank": _RANK})
    return config.model_copy(update=values)


def _has_bf16(device: str) -> bool:
    import torch

    return device != "cpu" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
