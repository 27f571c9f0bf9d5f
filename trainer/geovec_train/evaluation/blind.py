"""Blind baselines: the same queries with their picture, box or text taken away.

What an encoder still gets right it did not get from there.

A part is taken from the queries that have it; of a task whose queries have none, from the targets (of
`text_to_region` the box). A picture is replaced by an even grey of its size; a box or a text is left out, unless
nothing else would be left.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Literal

from PIL import Image

from geovec_data.dataset import ImageStore, ItemStore
from geovec_data.records import Segments
from geovec_train.evaluation.view import View

Blind = Literal["image", "box", "text"]
Side = Literal["query", "target"]


def side_of(blind: Blind, queries: set[str], targets: set[str]) -> Side | None:
    """Tell from which side of a task a part is taken; None: neither can be without it.

    Args:
        blind: the part.
        queries: modalities of the queries, such as ``image+box``.
        targets: modalities of the candidates.
    """
    for side, modalities in (("query", queries), ("target", targets)):
        having = [m.split("+") for m in modalities if blind in m.split("+")]
        if having and (blind == "image" or all(len(kinds) > 1 for kinds in having)):
            return "query" if side == "query" else "target"
    return None


def without(blind: Blind) -> View:
    """Return the view of a dataset without one kind of part."""
    if blind == "image":
        return View("without image", images=_Grey)
    return View(f"without {blind}", items=lambda items: _Without(items, blind))


class _Grey(ImageStore):
    """Pictures of one even grey, each of its own size."""

    def __init__(self, images: ImageStore) -> None:
        self.__dict__ |= images.__dict__

    def get(self, image: str) -> bytes:
        """Return a grey picture as large as the image."""
        return _grey(*self.size(image))


@lru_cache(maxsize=16)
def _grey(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (128, 128, 128)).save(file, "PNG")
    return file.getvalue()


class _Without(ItemStore):
    """Items without one kind of segment."""

    def __init__(self, items: ItemStore, kind: str) -> None:
        self.__dict__ |= items.__dict__
        self._left_out = kind

    def segments(self, item: str) -> Segments:
        """Return the other segments of an item; all, where there are no others."""
        whole = super().segments(item)
        return tuple(s for s in whole if s.kind != self._left_out) or whole
