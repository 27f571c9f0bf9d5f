"""Box geometry, and the codecs that turn a box into the text a model family expects, and back.

Boxes are float pixels ``(x0, y0, x1, y1)``, origin top-left, half-open; see `geovec_data.records`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from geovec_data.errors import UserError, suggest
from geovec_data.records import Box


def is_box(box: Box) -> bool:
    """Whether the box is finite and has an inside (a positive width and height)."""
    return all(map(math.isfinite, box)) and box[0] < box[2] and box[1] < box[3]


def area(box: Box) -> float:
    """Area in square pixels; 0 for an empty or inverted box."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def intersection(a: Box, b: Box) -> Box:
    """The common part of two boxes; empty or inverted (see `is_box`) when they do not overlap."""
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def clip(box: Box, width: float, height: float) -> Box:
    """The part of the box inside an image of `width` × `height` pixels."""
    return intersection(box, (0.0, 0.0, float(width), float(height)))


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0–1; 0 when either box is empty."""
    common = area(intersection(a, b))
    union = area(a) + area(b) - common
    return common / union if union > 0 else 0.0


def contains(outer: Box, inner: Box) -> bool:
    """Whether `inner` lies wholly inside `outer`; shared edges count as inside."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def centre(box: Box) -> tuple[float, float]:
    """The middle of the box, ``(x, y)`` in pixels."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


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
        cells: number of grid cells along an axis of the given length in pixels.
        template: ``str.format`` template of the four lines.
        pattern: matches the template's output; four groups.
        digits: write lines as decimal fractions of the axis with so many digits; None: as integers.
    """

    name: str
    cells: Callable[[int], int]
    template: str
    pattern: re.Pattern[str]
    digits: int | None = None

    def encode(self, box: Box, width: int, height: int) -> str:
        """See `BoxCodec.encode`."""
        inside = clip(box, width, height)
        if not is_box(inside):
            raise ValueError(f"box {box} has no part inside a {width} × {height} px image")
        x0, x1 = _lines(inside[0], inside[2], width, self.cells(width))
        y0, y1 = _lines(inside[1], inside[3], height, self.cells(height))
        if self.digits is None:
            return self.template.format(x0, y0, x1, y1)
        return self.template.format(*(f"{q / 10**self.digits:.{self.digits}f}" for q in (x0, y0, x1, y1)))

    def decode(self, text: str, width: int, height: int) -> Box:
        """See `BoxCodec.decode`."""
        found = self.pattern.findall(text)
        if len(found) != 1:
            raise ValueError(f"expected one box like {self.template!r}, found {len(found)} in {text!r}")
        nx, ny = self.cells(width), self.cells(height)
        scale = 1 if self.digits is None else 10**self.digits
        x0, y0, x1, y1 = (round(float(value) * scale) for value in found[0])
        if not (0 <= x0 < x1 <= nx and 0 <= y0 < y1 <= ny):
            raise ValueError(f"empty, inverted or outside the image: {text!r}")
        return x0 * width / nx, y0 * height / ny, x1 * width / nx, y1 * height / ny

    def error_bound(self, width: int, height: int) -> tuple[float, float]:
        """See `BoxCodec.error_bound`: one cell; half a cell for boxes that are not thinner than one."""
        return width / self.cells(width), height / self.cells(height)


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
_QWEN = re.compile(r"<\|box_start\|>\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)\s*,\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)\s*<\|box_end\|>")


def qwen2vl() -> GridCodec:
    """Qwen2-VL's format: ``<|box_start|>(x0,y0),(x1,y1)<|box_end|>`` on a 0–1000 grid over the image.

    Source: Qwen2-VL technical report, arXiv 2409.12191, section 2.2 ("Referring Grounding"); the conversion
    is ``convert_to_qwen2vl_format`` of QwenLM/Qwen3-VL, qwen-vl-finetune/tools/process_bbox.ipynb. The grid
    spans the image whatever size the processor resizes it to. Qwen3-VL has the same grid.
    """
    return GridCodec("qwen2vl", lambda size: 1000, "<|box_start|>({},{}),({},{})<|box_end|>", _QWEN)


def pixels() -> GridCodec:
    """Whole source pixels: ``[x0, y0, x1, y1]``, half-open."""
    return GridCodec("pixels", lambda size: size, "[{}, {}, {}, {}]", _LIST)


def normalized(digits: int = 3) -> GridCodec:
    """Fractions of the image's sides with a fixed number of digits: ``[0.125, 0.250, 0.500, 1.000]``."""
    name = "normalized" if digits == 3 else f"normalized:{digits}"
    return GridCodec(name, lambda size: 10**digits, "[{}, {}, {}, {}]", _LIST, digits)


def box_codec(name: str) -> BoxCodec:
    """Look a box codec up: ``qwen2vl``, ``pixels``, ``normalized`` or ``normalized:<digits>``.

    Raises:
        UserError: for an unknown name, with the nearest one; for digits outside 1–9.
    """
    makers: dict[str, Callable[[], GridCodec]] = {"qwen2vl": qwen2vl, "pixels": pixels, "normalized": normalized}
    if name in makers:
        return makers[name]()
    family, colon, digits = name.partition(":")
    if family == "normalized" and colon:
        if not re.fullmatch("[1-9]", digits):
            raise UserError(f"box codec '{name}': digits must be 1 to 9, as in normalized:4")
        return normalized(int(digits))
    raise UserError(f"unknown box codec '{name}'.{suggest(name, makers)}")
