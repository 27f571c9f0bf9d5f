"""The codecs that turn a box into the text a model family expects, and back.

Boxes are float pixels ``(x0, y0, x1, y1)``, origin top-left, half-open; see `geovec_data.records`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from geovec_data.errors import UserError, suggest
from geovec_data.geometry.boxes import clip, is_box
from geovec_data.geometry.resizing import Resizing
from geovec_data.records import Box


class BoxCodec(Protocol):
    """How a box becomes text for one model family, and back.

    `encode` clips the box to the image first; the bound speaks of the clipped box.
    """

    @property
    def name(self) -> str:
        """The name under which `box_codec` finds it."""

    def encode(self, box: Box, width: int, height: int) -> str:
        """Text of a box in an image of `width` × `height` pixels.

        Raises:
            ValueError: when no part of the box lies inside the image, or a coordinate is not finite.
        """

    def decode(self, text: str, width: int, height: int) -> Box:
        """The box in source pixels.

        Raises:
            ValueError: when the text does not hold exactly one box inside the image.
        """

    def error_bound(self, width: int, height: int) -> tuple[float, float]:
        """Largest absolute error, in source pixels, of a decoded x and of a decoded y, over all boxes."""


@dataclass(frozen=True, slots=True)
class GridCodec:
    """Writes a box as integer lines of a grid over the image.

    A coordinate goes to the nearest line, so its error is at most half a cell for a box that is at least one
    cell wide (high). A thinner box may fall on one line; it is then widened to the cell that holds its
    middle, so that no box decodes to an empty one, and the error can reach one cell: the stated bound.

    Attributes:
        name: see `BoxCodec.name`.
        cells: number of grid cells along x and y of an image of the given width and height in pixels.
        template: ``str.format`` template of the four lines.
        pattern: matches the template's output; four groups.
        digits: write lines as decimal fractions of the axis with so many digits; None: as integers.
    """

    name: str
    cells: Callable[[int, int], tuple[int, int]]
    template: str
    pattern: re.Pattern[str]
    digits: int | None = None

    def encode(self, box: Box, width: int, height: int) -> str:
        """See `BoxCodec.encode`."""
        inside = clip(box, width, height)
        if not is_box(inside):
            raise ValueError(f"box {box} has no part inside a {width} × {height} px image")
        nx, ny = self.cells(width, height)
        x0, x1 = _lines(inside[0], inside[2], width, nx)
        y0, y1 = _lines(inside[1], inside[3], height, ny)
        if self.digits is None:
            return self.template.format(x0, y0, x1, y1)
        return self.template.format(*(f"{q / 10**self.digits:.{self.digits}f}" for q in (x0, y0, x1, y1)))

    def decode(self, text: str, width: int, height: int) -> Box:
        """See `BoxCodec.decode`."""
        found = self.pattern.findall(text)
        if len(found) != 1:
            raise ValueError(f"expected one box like {self.template!r}, found {len(found)} in {text!r}")
        nx, ny = self.cells(width, height)
        scale = 1 if self.digits is None else 10**self.digits
        x0, y0, x1, y1 = (round(float(value) * scale) for value in found[0])
        if not (0 <= x0 < x1 <= nx and 0 <= y0 < y1 <= ny):
            raise ValueError(f"empty, inverted or outside the image: {text!r}")
        return x0 * width / nx, y0 * height / ny, x1 * width / nx, y1 * height / ny

    def error_bound(self, width: int, height: int) -> tuple[float, float]:
        """See `BoxCodec.error_bound`: one cell; half a cell for boxes that are not thinner than one."""
        nx, ny = self.cells(width, height)
        return width / nx, height / ny


def _lines(low: float, high: float, size: int, cells: int) -> tuple[int, int]:
    """Nearest grid lines of an interval's ends, never the same one twice."""
    # `value / size * cells`, in this order, and `round`, as in the conversion script that the Qwen team ships
    a, b = round(low / size * cells), round(high / size * cells)
    if a < b:
        return a, b
    start = min(math.floor((low + high) / 2 / size * cells), cells - 1)
    return start, start + 1


_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_LIST = re.compile(r"\[" + ",".join([_NUMBER] * 4) + r"\]")
_JSON = re.compile(r'\{\s*"bbox_2d"\s*:\s*' + _LIST.pattern)
_QWEN = re.compile(r"<\|box_start\|>\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)\s*,\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)\s*<\|box_end\|>")


def qwen2vl() -> GridCodec:
    """Qwen2-VL's format: ``<|box_start|>(x0,y0),(x1,y1)<|box_end|>`` on a 0–1000 grid over the image.

    Source: Qwen2-VL technical report, arXiv 2409.12191, section 2.2 ("Referring Grounding"); the conversion
    is ``convert_to_qwen2vl_format`` of QwenLM/Qwen3-VL, qwen-vl-finetune/tools/process_bbox.ipynb. The grid
    spans the image whatever size the processor resizes it to.
    """
    return GridCodec("qwen2vl", _thousand, "<|box_start|>({},{}),({},{})<|box_end|>", _QWEN)


def qwen2_5vl(resizing: Resizing = Resizing()) -> GridCodec:
    """Qwen2.5-VL's format: ``{"bbox_2d": [x0, y0, x1, y1]}``, whole pixels of the image as its processor resized it.

    Source: Qwen2.5-VL technical report, arXiv 2502.13923; ``convert_to_qwen25vl_format`` of QwenLM/Qwen3-VL,
    qwen-vl-finetune/tools/process_bbox.ipynb; the key is that of the grounding example in qwen-vl-finetune/README.md.
    That conversion ends a box that touches the right or lower edge one pixel earlier (its boxes are not half-open).

    Args:
        resizing: the limits of the model's image processor; the name has the two that differ between checkpoints.
    """
    name = f"qwen2_5vl:{resizing.least}-{resizing.most}"
    return GridCodec(name, resizing.size, '{{"bbox_2d": [{}, {}, {}, {}]}}', _JSON)


def qwen3vl() -> GridCodec:
    """Qwen3-VL's format: ``{"bbox_2d": [x0, y0, x1, y1]}`` on a 0–1000 grid over the image.

    Source: QwenLM/Qwen3-VL, cookbooks/2d_grounding.ipynb ("relative coordinates ranging from 0 to 1000").
    """
    return GridCodec("qwen3vl", _thousand, '{{"bbox_2d": [{}, {}, {}, {}]}}', _JSON)


def pixels() -> GridCodec:
    """Whole source pixels: ``[x0, y0, x1, y1]``, half-open."""
    return GridCodec("pixels", lambda width, height: (width, height), "[{}, {}, {}, {}]", _LIST)


def normalized(digits: int = 3) -> GridCodec:
    """Fractions of the image's sides with a fixed number of digits: ``[0.125, 0.250, 0.500, 1.000]``."""
    name = "normalized" if digits == 3 else f"normalized:{digits}"
    return GridCodec(name, lambda width, height: (10**digits, 10**digits), "[{}, {}, {}, {}]", _LIST, digits)


def _thousand(width: int, height: int) -> tuple[int, int]:
    return 1000, 1000


def box_codec(name: str) -> BoxCodec:
    """Look a box codec up: ``qwen2vl``, ``qwen2_5vl``, ``qwen3vl``, ``pixels`` or ``normalized``.

    Two take a detail after a colon: ``normalized:<digits>``, and ``qwen2_5vl:<fewest>-<most pixels>`` of a resized
    image (``qwen2_5vl`` alone: transformers' own limits).

    Raises:
        UserError: for an unknown name, with the nearest one; for a detail that is none.
    """
    makers: dict[str, Callable[[], GridCodec]] = {
        "qwen2vl": qwen2vl,
        "qwen2_5vl": qwen2_5vl,
        "qwen3vl": qwen3vl,
        "pixels": pixels,
        "normalized": normalized,
    }
    if name in makers:
        return makers[name]()
    family, colon, detail = name.partition(":")
    if family == "normalized" and colon:
        if not re.fullmatch("[1-9]", detail):
            raise UserError(f"box codec '{name}': digits must be 1 to 9, as in normalized:4")
        return normalized(int(detail))
    if family == "qwen2_5vl" and colon:
        limits = re.fullmatch(r"([1-9]\d{0,8})-([1-9]\d{0,8})", detail)
        if limits is None or int(limits[1]) > int(limits[2]):
            raise UserError(f"box codec '{name}': the fewest and the most pixels, as in {qwen2_5vl().name}")
        return qwen2_5vl(Resizing(int(limits[1]), int(limits[2])))
    raise UserError(f"unknown box codec '{name}'.{suggest(name, makers)}")
