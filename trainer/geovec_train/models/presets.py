"""The encoders that ``model=`` names: what each is, for help and messages. Torch-free, so that help is instant."""

from __future__ import annotations

TINY, MINI, SMALL = "tiny", "mini", "small"
PRESETS = {
    TINY: "a new encoder of 1.2 M parameters, from scratch",
    MINI: "27 M, of pretrained parts (EfficientNet-Lite0, MiniLM) that are fetched from the package index",
    SMALL: "60 M, from scratch, for one GPU (untested there)",
}
HUB_NAMES = ("qwen2vl_2b", "qwen2vl_7b", "qwen2_5vl_3b", "qwen3vl_2b")  # see `geovec_train.models.hub`


def presets_text() -> str:
    """Return the names with what they stand for, for people."""
    return "; ".join([*(f"{name}: {what}" for name, what in PRESETS.items()), f"{', '.join(HUB_NAMES)} of the hub"])
