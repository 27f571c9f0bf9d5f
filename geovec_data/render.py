"""The one place that turns an item into what a model is given; mining, training, evaluation and users share it.

A query is rendered with its instruction, a target without one: in a message it is the system's turn, which is where
sentence-transformers puts a prompt (``encode(…, prompt_name="<task>")``), so that both ways are one. The message form
is the chat format that sentence-transformers takes for every vision-language model; text-only encoders get the text
form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from geovec_data.geometry.box_codecs import BoxCodec, box_codec
from geovec_data.geometry.geo import CoordinateCodec, coordinate_codec
from geovec_data.records import Segments
from geovec_data.untrusted import images

_CONTROL = re.compile(r"<\|(\w+)\|>")
MAX_PIXELS = 2**28  # the checks' own limit; a dataset holds nothing larger unless its recipe raised it

ImageBytes = Callable[[str], bytes]
ImageSize = Callable[[str], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Codecs:
    """How numbers become text for one model family.

    Attributes:
        box: box codec.
        coordinate: coordinate codec.
    """

    box: BoxCodec
    coordinate: CoordinateCodec

    @staticmethod
    def named(box: str = "qwen2vl", coordinate: str = "lat_lon") -> Codecs:
        """Look the codecs up by name.

        Raises:
            UserError: for an unknown name, with the nearest one.
        """
        return Codecs(box_codec(box), coordinate_codec(coordinate))

    @property
    def name(self) -> str:
        """Identify the pair, for cache keys and model cards."""
        return f"{self.box.name}+{self.coordinate.name}"


def parts(segments: Segments, *, instruction: str | None, codecs: Codecs, size: ImageSize) -> list[tuple[str, str]]:
    """Render to ``("text", text)`` and ``("image", image id)`` parts, in order, after ``("instruction", text)``.

    What looks like a control token (``<|im_end|>``) in a text of the item loses its bars: no caption ends a turn or
    adds an image.
    """
    out: list[tuple[str, str]] = []
    if instruction:
        out.append(("instruction", instruction))
    image: str | None = None
    for s in segments:
        if s.kind == "image":
            assert s.image is not None
            image = s.image
            out.append(("image", image))
        elif s.kind == "text":
            out.append(("text", _CONTROL.sub(r"<\1>", s.text or "")))
        elif s.kind == "box":
            if image is None or s.box is None:
                raise ValueError("a box segment needs an image segment before it")
            out.append(("text", codecs.box.encode(s.box, *size(image))))
        else:
            assert s.lon is not None
            assert s.lat is not None
            out.append(("text", codecs.coordinate.encode(s.lon, s.lat)))
    return out


def to_message(rendered: list[tuple[str, str]], image: Callable[[str], Any]) -> list[dict[str, Any]]:
    """Make a chat message of rendered parts; `image` gives what the model takes for an image id.

    Texts that follow one another become one with a blank between, as most chat templates put none.
    """
    content: list[dict[str, Any]] = []
    turns = [{"role": "user", "content": content}]
    for kind, value in rendered:
        if kind == "instruction":
            turns.insert(0, {"role": "system", "content": [{"type": "text", "text": value}]})
        elif kind == "image":
            content.append({"type": "image", "image": image(value)})
        elif content and content[-1]["type"] == "text":
            content[-1]["text"] += f" {value.strip()}"
        else:
            content.append({"type": "text", "text": value.strip()})
    return turns


def to_text(rendered: list[tuple[str, str]]) -> str:
    """Join rendered parts to plain text, for encoders that take text only.

    Raises:
        ValueError: when an image is among the parts.
    """
    if any(kind == "image" for kind, _ in rendered):
        raise ValueError("an item with an image has no text form")
    return " ".join(value for _, value in rendered)


def decode_image(data: bytes, max_side: int | None = None) -> Image.Image:
    """Decode to RGB: alpha is dropped, deeper pixels are stretched to 8 bits.

    Args:
        data: encoded bytes of an image that a build let in.
        max_side: JPEGs larger than twice this are decoded at a reduced size (libjpeg's DCT scaling).

    Raises:
        BadImage: the bytes are no whole image.
    """
    picture = images.open_image(data, MAX_PIXELS)
    if max_side and picture.format == "JPEG":
        picture.draft("RGB", (max_side * 2, max_side * 2))
    return images.decode_pixels(picture).convert("RGB")
