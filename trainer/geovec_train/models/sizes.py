"""What bounds the memory that a model takes: how large its images become, which activations it keeps."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from geovec_data.errors import UserError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


LEAST = 28  # pixels; the option's own bound


def resizes_freely(model: SentenceTransformer) -> bool:
    """Tell whether images are resized as Qwen2-VL does it: aspect kept, between two numbers of pixels."""
    images = _processor(model)
    return hasattr(images, "merge_size") and "shortest_edge" in (getattr(images, "size", None) or {})


def set_side(model: SentenceTransformer, side: int) -> None:
    """Let images become about side × side pixels.

    Raises:
        UserError: when the model's image size cannot be set, or not to this.
    """
    from geovec_train.models.interleaved import Interleaved

    encoder = model[0]
    if isinstance(encoder, Interleaved):
        if side % encoder.factor:
            raise UserError(f"side={side}: this model needs a multiple of {encoder.factor}")
        encoder.side = side
        return
    if not resizes_freely(model):
        raise UserError(f"side={side}: this model's image size cannot be set; leave side out")
    images = _processor(model)
    if side % (factor := _factor(images)):
        raise UserError(f"side={side}: this model needs a multiple of {factor}")
    images.size = {"shortest_edge": side**2, "longest_edge": side**2}


def check_room(
    model: SentenceTransformer, side: int, before: Sequence[str], shapes: Collection[tuple[int, int]]
) -> None:
    """See that a picture of that side fits into a sequence of GeoVec's own encoders, whose positions are few.

    Args:
        model: the model.
        side: images become about side × side pixels.
        before: texts that stand before a picture.
        shapes: width and height of the pictures.

    Raises:
        UserError: when one does not fit; names the largest side of which all do.
    """
    from geovec_train.models.interleaved import Interleaved

    encoder = model[0]
    if not isinstance(encoder, Interleaved):
        return
    room, factor = encoder.room(before), encoder.factor

    def most(side: int) -> int:
        return max((encoder.cells(side, *shape) for shape in shapes), default=0)

    if (tokens := most(side)) <= room:
        return
    highest = min(side, 2 * math.isqrt(room) * factor) - factor
    fits = next((s for s in range(highest, factor, -factor) if most(s) <= room), least_side(model))
    raise UserError(
        f"side={side}: pictures have up to {tokens:,} visual tokens then, and this model has room for {room:,} in a"
        f" sequence; the largest side that fits is {fits}"
    )


def set_visual_tokens(model: SentenceTransformer, most: int) -> None:
    """Let no image have more visual tokens than `most`; smaller images stay as they are.

    Raises:
        UserError: when the model's image size cannot be set.
    """
    from geovec_train.models.interleaved import Interleaved

    if isinstance(model[0], Interleaved) or not resizes_freely(model):
        raise UserError(f"max_visual_tokens={most}: this model's image size cannot be set; leave max_visual_tokens out")
    images = _processor(model)
    pixels = most * _factor(images) ** 2
    images.size = {
        "shortest_edge": min(int(images.size["shortest_edge"]), pixels),
        "longest_edge": min(int(images.size["longest_edge"]), pixels),
    }


def recomputes(model: SentenceTransformer) -> bool:
    """Tell whether a model can compute activations anew on the way back."""
    from geovec_train.models.interleaved import Interleaved

    inner: Any = getattr(model[0], "model", None)
    return not isinstance(model[0], Interleaved) and bool(getattr(inner, "supports_gradient_checkpointing", False))


def least_side(model: SentenceTransformer) -> int:
    """Return the smallest side that a model whose image size can be set takes."""
    from geovec_train.models.interleaved import Interleaved

    encoder = model[0]
    factor = encoder.factor if isinstance(encoder, Interleaved) else _factor(_processor(model))
    return int(-(-LEAST // factor) * factor)


def checkpoint_activations(model: SentenceTransformer) -> None:
    """Compute activations anew on the way back instead of keeping them.

    Raises:
        UserError: when the model cannot do that.
    """
    inner: Any = getattr(model[0], "model", None)
    if not recomputes(model):
        raise UserError("gradient_checkpointing=true: this model cannot do that; leave it out")
    if hasattr(inner, "activation_checkpointing_enable"):  # transformers' new name
        inner.activation_checkpointing_enable({"use_reentrant": False})
    else:
        inner.gradient_checkpointing_enable({"use_reentrant": False})


def _processor(model: SentenceTransformer) -> Any:
    return getattr(getattr(model[0], "processor", None), "image_processor", None)


def _factor(images: Any) -> int:
    return int(images.patch_size * images.merge_size)
