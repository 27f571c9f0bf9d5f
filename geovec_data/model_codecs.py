"""Which codecs a model reads boxes and coordinates in: those it was trained with, else those of its family."""

from __future__ import annotations

from typing import Any

from geovec_data.geometry.box_codecs import qwen2_5vl
from geovec_data.geometry.resizing import Resizing

FAMILIES = {"qwen2_vl": "qwen2vl", "qwen2_5_vl": "qwen2_5vl", "qwen3_vl": "qwen3vl"}
"""Box codec by transformers' model_type."""


def own_codecs(model: Any) -> tuple[str | None, str | None]:
    """Return the names of a SentenceTransformer's box codec and coordinate codec; None: it has none of its own.

    No family has a form of its own for coordinates, so they are those of the training.
    """
    config = getattr(model[0], "config", None)
    saved = getattr(config, "geovec", None) or {}
    box = saved.get("box_codec") or FAMILIES.get(getattr(config, "model_type", ""))
    if box and box.partition(":")[0] == "qwen2_5vl":
        # its pixels are those of the image as it is resized now, whatever it was when the name was noted
        box = qwen2_5vl(resizing(model)).name
    return box, saved.get("coordinate_codec")


def chosen(asked: str | None, own: str | None, default: str) -> str:
    """Return the codec to use: the one asked for, else the model's own, else the default.

    ``qwen2_5vl`` without limits means the limits of the model, where it has some.
    """
    if asked == "qwen2_5vl" and own and own.startswith("qwen2_5vl:"):
        return own
    return asked or own or default


def resizing(model: Any) -> Resizing:
    """Return how the model's image processor resizes; transformers' limits where it does not say."""
    images = getattr(getattr(model[0], "processor", None), "image_processor", None)
    size = getattr(images, "size", None) or {}
    plain = Resizing()
    return Resizing(
        least=int(size.get("shortest_edge") or plain.least),
        most=int(size.get("longest_edge") or plain.most),
        factor=int(getattr(images, "patch_size", 14) * getattr(images, "merge_size", 2)) if size else plain.factor,
    )
