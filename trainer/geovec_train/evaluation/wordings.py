"""Class names in several wordings: an encoder that knows a class by one phrase only is told from one that knows it.

CLIP's prompt ensembles (Radford et al. 2021, section 3.1.4), for overhead images: each wording is scored by itself, and
so is the mean of a class's vectors over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from geovec_data.dataset import ItemStore
from geovec_data.records import Segments
from geovec_data.words import with_article
from geovec_train.evaluation.pools import Pool
from geovec_train.evaluation.ranking import Vectors
from geovec_train.evaluation.view import View

TASK = "scene_class"
PLACE = "{}"  # where the class goes, with its article
WORDINGS = ("an aerial image of {}", "a satellite photo of {}", "{}, seen from above")
MEAN = "mean of all wordings"


def in_words(wording: str) -> View:
    """Return the view of a dataset in which a text says what it names in other words."""
    return View(f"worded {wording!r}", items=lambda items: _Reworded(items, wording))


class _Reworded(ItemStore):
    def __init__(self, items: ItemStore, wording: str) -> None:
        self.__dict__ |= items.__dict__
        self._wording = wording

    def segments(self, item: str) -> Segments:
        """Return an item's segments, its texts worded."""
        return tuple(
            replace(s, text=self._wording.replace(PLACE, with_article(s.text))) if s.text else s
            for s in super().segments(item)
        )


def worded(pool: Pool, plain: Vectors, vectors: Callable[[View], Vectors]) -> Iterator[tuple[Pool, Vectors]]:
    """Yield the pool of class names with the candidates' vectors in each wording, then with their mean.

    Args:
        pool: of `TASK`.
        plain: vectors of the names as the corpus has them, shape (items, dim).
        vectors: gives those of another wording.
    """
    total = plain.astype(np.float64)
    for wording in WORDINGS:
        said = vectors(in_words(wording))
        total += said
        yield replace(pool, subset=wording.replace(PLACE, "…")), said
    norms = np.linalg.norm(total, axis=1, keepdims=True)
    yield replace(pool, subset=MEAN), (total / np.where(norms > 0, norms, 1)).astype(np.float32)
