"""The encoders that ``model=`` names: what each is, for help and messages. Torch-free, so that help is instant."""

from __future__ import annotations

TINY, MINI, SMALL = "tiny", "mini", "small"
PRESETS = {
    TINY: "a new encoder of 1.2 M parameters, from scratch",
    MINI: "27 M, of pretrained parts (EfficientNet-Lite0, MiniLM) that are fetched from the package index",
    SMALL: "60 M, from scratch, for one GPU (untested there)",
}


def presets_text() -> str:
    """Return the names with what they stand for, for people."""
    return "; ".join(f"{name}: {what}" for name, what in PRESETS.items())
