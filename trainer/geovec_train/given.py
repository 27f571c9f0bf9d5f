"""Items as a user gives them (texts, pictures, dictionaries, lists of these, chat messages) → segments and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from geovec_data.errors import UserError, suggest
from geovec_data.geometry.boxes import is_box
from geovec_data.geometry.geo import is_lonlat
from geovec_data.paths import expanded
from geovec_data.records import Item, Segment, Segments
from geovec_data.render import decode_image
from geovec_data.untrusted.images import BadImage

ORDER = ("image", "box", "text", "coordinate")  # of a dictionary's segments, whatever the order of its keys


@dataclass(frozen=True, slots=True)
class Given:
    """One item.

    Attributes:
        segments: its content; empty: it is a chat message.
        instruction: before a query; None: the item is a target.
        message: a chat message, taken as it is; None: it is made of the segments.
    """

    segments: Segments = ()
    instruction: str | None = None
    message: list[dict[str, Any]] | None = None


class Reader:
    """Reads items and keeps the pictures that came with them.

    Args:
        prompts: instructions by name (the tasks' canonical ones of a trained model).

    Attributes:
        pictures: decoded pictures by the image id that their segments have.
    """

    def __init__(self, prompts: Mapping[str, str]) -> None:
        self._prompts = prompts
        self.pictures: dict[str, Image.Image] = {}
        self._where = ""

    def read(self, item: Any, number: int) -> Given:
        """Read an item.

        Raises:
            UserError: when it is none; names the item by its number.
        """
        self._where = f"item {number}"
        if isinstance(item, Item):
            return Given(item.segments)
        if isinstance(item, Mapping) and "role" in item:
            return Given(message=[dict(item)])
        if isinstance(item, (list, tuple)):
            if item and all(isinstance(p, Segment) for p in item):
                return Given(tuple(item))
            if item and all(isinstance(p, Mapping) and "role" in p for p in item):
                return Given(message=[dict(p) for p in item])
            parts = [self._part(p) for p in item]
            instructions = [i for _, i in parts if i is not None]
            if len(instructions) > 1:
                raise self._error(f"{len(instructions)} instructions; give one")
            return self._whole(
                [s for segments, _ in parts for s in segments], instructions[0] if instructions else None
            )
        return self._whole(*self._part(item))

    def _whole(self, segments: list[Segment], instruction: str | None) -> Given:
        if not segments:
            raise self._error("nothing to embed: give a text, an image, a box of it or a coordinate")
        seen = False
        for segment in segments:
            seen = seen or segment.kind == "image"
            if segment.kind == "box" and not seen:
                raise self._error("a box without an image before it")
        return Given(tuple(segments), instruction)

    def _part(self, part: Any) -> tuple[list[Segment], str | None]:
        if isinstance(part, str):
            return [Segment.of_text(part)], None
        if isinstance(part, Segment):
            return [part], None
        if not isinstance(part, Mapping):
            return [self._image(part)], None
        for key in part:
            if key not in (*ORDER, "instruction"):
                raise self._error(f"unknown key '{key}'.{suggest(str(key), (*ORDER, 'instruction'))}")
        instruction = part.get("instruction")
        if instruction is not None and not isinstance(instruction, str):
            raise self._error(f"the instruction is a {type(instruction).__name__}; give words, or a task's name")
        make = {"image": self._image, "box": self._box, "text": self._text, "coordinate": self._coordinate}
        segments = [make[key](part[key]) for key in ORDER if part.get(key) is not None]
        return segments, None if instruction is None else self._prompts.get(instruction, instruction)

    def _text(self, value: Any) -> Segment:
        if not isinstance(value, str):
            raise self._error(f"the text is a {type(value).__name__}; give a string")
        return Segment.of_text(value)

    def _image(self, value: Any) -> Segment:
        key = f"given:{len(self.pictures)}"
        self.pictures[key] = self._picture(value)
        return Segment.of_image(key)

    def _picture(self, value: Any) -> Image.Image:
        if isinstance(value, Image.Image):
            return value.convert("RGB")
        if isinstance(value, np.ndarray):
            if value.dtype != np.uint8 or value.ndim not in (2, 3):
                raise self._error(
                    f"an array of {value.dtype} {value.shape} is no picture; give uint8 (height, width, 3)"
                )
            return Image.fromarray(value).convert("RGB")
        if not isinstance(value, (str, Path, bytes)):
            raise self._error(
                f"a {type(value).__name__} is no image; give a path, encoded bytes, a PIL image or a uint8 array"
            )
        try:
            return decode_image(value if isinstance(value, bytes) else expanded(value).read_bytes())
        except OSError as error:
            raise self._error(f"image {value!r} cannot be read ({error.strerror or error})") from error
        except BadImage as error:
            raise self._error(f"its image does not decode ({error})") from error

    def _box(self, value: Any) -> Segment:
        box = self._numbers(value, 4, "box", "x0, y0, x1, y1 in pixels of its image")
        if not is_box((box[0], box[1], box[2], box[3])):
            raise self._error(f"box {box} is empty or inverted; give x0 < x1 and y0 < y1 in pixels")
        return Segment.of_box((box[0], box[1], box[2], box[3]))

    def _coordinate(self, value: Any) -> Segment:
        lon, lat = self._numbers(value, 2, "coordinate", "lon, lat in degrees")
        if not is_lonlat(lon, lat):
            swapped = "; are they in the order lat, lon?" if is_lonlat(lat, lon) else ""
            raise self._error(f"coordinate lon {lon}, lat {lat} is not on the globe{swapped}")
        return Segment.of_coordinate(lon, lat)

    def _numbers(self, value: Any, count: int, what: str, wanted: str) -> list[float]:
        if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes)) and len(value) == count:
            try:
                return [float(v) for v in value]
            except (TypeError, ValueError):
                pass  # told below
        raise self._error(f"{what} {value!r}: give {count} numbers, {wanted}")

    def _error(self, what: str) -> UserError:
        return UserError(f"{self._where}: {what}")
