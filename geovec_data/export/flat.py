"""Items as other tools hold them: one text and at most one image a side, boxes and coordinates rendered by a codec."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from geovec_data.dataset import Dataset
from geovec_data.records import Segments
from geovec_data.render import Codecs, parts


class TwoImages(Exception):
    """An item with several images, which the target format cannot hold."""


@dataclass(frozen=True, slots=True)
class Side:
    """A query, positive or negative of a flat format.

    Attributes:
        texts: rendered texts in order, without empty ones.
        image: image id, or None.
        image_at: how many of `texts` come before the image.
    """

    texts: tuple[str, ...]
    image: str | None
    image_at: int

    def text(self, placeholder: str | None = None) -> str:
        """Join the texts with blanks; `placeholder` stands where the image is."""
        if self.image is None or placeholder is None:
            return " ".join(self.texts)
        return " ".join([*self.texts[: self.image_at], placeholder, *self.texts[self.image_at :]])


class Flattener:
    """Renders items of a dataset to sides.

    Args:
        dataset: the dataset.
        codecs: how boxes and coordinates become text.
        instruction: whether queries carry their task's canonical instruction.
    """

    def __init__(self, dataset: Dataset, codecs: Codecs, instruction: bool) -> None:
        self._dataset = dataset
        self._codecs = codecs
        self._instruction = instruction
        self._target = lru_cache(maxsize=1 << 14)(self._render)

    def query(self, task: str, item: str) -> Side:
        """Return the query side of an item; see `target` for errors."""
        said = self._dataset.instruction(f"{task}/0") if self._instruction else None
        return self._side(self._dataset.items.segments(item), said)

    def target(self, item: str) -> Side:
        """Return the target side of an item.

        Raises:
            TwoImages: when it has several images.
        """
        return self._target(item)

    def _render(self, item: str) -> Side:
        return self._side(self._dataset.items.segments(item), None)

    def _side(self, segments: Segments, instruction: str | None) -> Side:
        texts: list[str] = []
        image: str | None = None
        at = 0
        for kind, value in parts(
            segments, instruction=instruction, codecs=self._codecs, size=self._dataset.images.size
        ):
            if kind != "image":
                texts += [value] if value else []
            elif image is not None:
                raise TwoImages
            else:
                image, at = value, len(texts)
        return Side(tuple(texts), image, at)
