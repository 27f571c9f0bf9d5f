"""From chat messages to what the tiny encoder eats: pieces of text and image, uint8 patches, rope positions."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

Pixels = NDArray[np.uint8]

CONTROL = ("pad", "endoftext", "vision_start", "vision_end", "image_pad", "video_pad")

# Parts follow one another; a blank stands between two texts only, so ["find it:", "a pier"] and "find it: a pier"
# are one input. A text that spells a control token loses its bars: strangers' captions cannot add images. The end
# token is where the embedding is read (last-token pooling).
CHAT_TEMPLATE = (
    "{%- set at = namespace(text=false, own='') -%}"
    "{%- for message in messages -%}"
    "{%- set parts = [{'type': 'text', 'text': message.content}] if message.content is string"
    " else message.content -%}"
    "{%- for part in parts -%}"
    "{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>{%- set at.text = false -%}"
    "{%- else -%}"
    "{%- set at.own = part.text -%}"
    f"{{%- for name in {list(CONTROL)} -%}}"
    "{%- set at.own = at.own | replace('<|' + name + '|>', '<' + name + '>') -%}"
    "{%- endfor -%}"
    "{{ (' ' if at.text else '') + at.own | trim }}{%- set at.text = true -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- endfor -%}"
    "<|endoftext|>"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of a message: a PIL image, a uint8 array, encoded bytes, or what transformers takes."""

    value: Any


SPELT = {f"<|{name}|>": f"<{name}>" for name in CONTROL}


def pieces(conversation: list[dict[str, Any]], spelt: Mapping[str, str] = SPELT) -> list[str | Picture]:
    """Flatten a conversation to its texts and images in order, as chat templates do; adjacent texts are joined.

    Args:
        conversation: messages.
        spelt: control tokens that a text spells, and what stands there instead.

    Raises:
        ValueError: for content that is neither text nor image.
    """
    out: list[str | Picture] = []
    for message in conversation:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if part["type"] == "image":
                found = [part[key] for key in ("image", "url", "path") if key in part]
                if not found:
                    raise ValueError("an image part of a message needs the key 'image'")
                out.append(Picture(found[0]))
            elif part["type"] == "text":
                text = part["text"]
                for token, harmless in spelt.items():
                    text = text.replace(token, harmless)
                text = text.strip()
                if out and isinstance(out[-1], str):
                    out[-1] = f"{out[-1]} {text}"
                else:
                    out.append(text)
            else:
                raise ValueError(f"message part of type '{part['type']}': this encoder takes text and image")
    return out


def as_picture(image: Any) -> Image.Image:
    """Return an RGB PIL image of whatever holds one."""
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        return Image.fromarray(image).convert("RGB")
    if isinstance(image, bytes):
        return Image.open(io.BytesIO(image)).convert("RGB")
    from transformers.image_utils import load_image

    picture: Image.Image = load_image(image).convert("RGB")
    return picture


def target_size(width: int, height: int, processor: Any) -> tuple[int, int]:
    """Return the (width, height) that Qwen2-VL's image processor resizes to: multiples of patch × merge."""
    height, width = smart_resize(
        height,
        width,
        factor=processor.patch_size * processor.merge_size,
        min_pixels=processor.size["shortest_edge"],
        max_pixels=processor.size["longest_edge"],
    )
    return width, height


def resize(picture: Image.Image, processor: Any) -> Pixels:
    """Resize as Qwen2-VL's image processor does (bicubic): uint8 (height, width, 3)."""
    size = target_size(*picture.size, processor)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling(processor.resample))
    return np.asarray(picture)


def patchify(pixels: Pixels, processor: Any) -> tuple[Pixels, tuple[int, int]]:
    """Cut into patches in Qwen2-VL's order: (patches, 3·patch²) and the grid (rows, columns of patches).

    Neighbouring merge × merge patches follow one another, so that merging is a reshape; within a patch the values
    run channel by channel.
    """
    patch, merge = processor.patch_size, processor.merge_size
    rows, columns = pixels.shape[0] // patch, pixels.shape[1] // patch
    blocks = pixels.reshape(rows // merge, merge, patch, columns // merge, merge, patch, 3)
    ordered = blocks.transpose(0, 3, 1, 4, 6, 2, 5)
    return np.ascontiguousarray(ordered).reshape(rows * columns, -1), (rows, columns)


def rope_positions(length: int, spans: list[tuple[int, int, int]]) -> NDArray[np.int64]:
    """Return Qwen2-VL's three-dimensional positions (time, row, column) of a sequence: (length, 3).

    Args:
        length: number of tokens.
        spans: for each image: index of its first visual token, rows and columns of visual tokens.
    """
    out = np.empty((length, 3), dtype=np.int64)
    at = position = 0
    for start, rows, columns in spans:
        text = start - at
        out[at:start] = np.arange(position, position + text)[:, None]
        position += text
        end = start + rows * columns
        out[start:end, 0] = position
        out[start:end, 1] = position + np.repeat(np.arange(rows), columns)
        out[start:end, 2] = position + np.tile(np.arange(columns), rows)
        position += max(rows, columns)
        at = end
    out[at:] = np.arange(position, position + length - at)[:, None]
    return out
