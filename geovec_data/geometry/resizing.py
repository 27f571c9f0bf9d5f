"""How Qwen's vision-language models resize an image: dynamic resolution, sides rounded to whole visual tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resizing:
    """The limits of one image processor.

    Attributes:
        least: fewest pixels of a resized image; a smaller one is enlarged.
        most: most pixels of a resized image; a larger one is shrunk.
        factor: both sides become multiples of it: the side of a visual token in pixels (patch × merge).
    """

    least: int = 56 * 56
    most: int = 28 * 28 * 1280
    factor: int = 28

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) in pixels to which an image is resized, its aspect kept as far as that goes.

        The rule of ``smart_resize`` in QwenLM/Qwen3-VL, qwen-vl-utils, in the form that transformers has
        (transformers.models.qwen2_vl.image_processing_qwen2_vl).
        """
        factor = self.factor
        wide, high = round(width / factor) * factor, round(height / factor) * factor
        if wide * high > self.most:
            shrink = math.sqrt(height * width / self.most)
            return (
                max(factor, math.floor(width / shrink / factor) * factor),
                max(factor, math.floor(height / shrink / factor) * factor),
            )
        if wide * high < self.least:
            grow = math.sqrt(self.least / (height * width))
            return math.ceil(width * grow / factor) * factor, math.ceil(height * grow / factor) * factor
        return wide, high
