"""Turns of a batch's pictures: which each may have, and every item as it is right under them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from geovec_data.records import Segments
from geovec_train.batches.pictures import may_turn, names_direction
from geovec_train.batches.turns import EVERY, turned_segments, turned_size, turns_of_words

Size = tuple[int, int]
_NONE = frozenset({0})


class Turns:
    """The turn of each image of a batch.

    An image is turned as every example of the batch that shows it permits. Without `follow` that is not at all where a
    box, a coordinate or a word of direction stands; with it boxes and words turn too, where they can, and so do the
    texts and boxes of negatives that speak of the same image. Coordinates forbid it: a mirrored place is no place.

    Args:
        size: image id → (width, height).
        segments: item number → the item.
        home: item number → the image that it shows, or that it alone speaks of; None where there are none or several.
        follow: whether boxes and words turn with the pictures.
    """

    def __init__(
        self,
        size: Callable[[str], Size],
        segments: Callable[[int], Segments],
        home: Callable[[int], str | None],
        *,
        follow: bool,
    ) -> None:
        self._size, self._segments, self._home, self._follow = size, segments, home, follow
        self._turn: dict[str, int] = {}

    def of(self, image: str) -> int:
        """Return the turn of an image; see `geovec_train.batches.pictures.turned`."""
        return self._turn.get(image, 0)

    def draw(self, rng: np.random.Generator, examples: Iterable[tuple[int, int, str]], others: Iterable[int]) -> None:
        """Draw the turns.

        Args:
            rng: the step's generator.
            examples: query item, positive item and instruction of each.
            others: all items of the batch.
        """
        free: dict[str, frozenset[int]] = {}
        for query, positive, instruction in examples:
            items = (self._segments(query), self._segments(positive))
            images = {s.image for segments in items for s in segments if s.image is not None}
            may = self._permitted(items, {self._home(query), self._home(positive)}, instruction, images)
            for image in images:
                free[image] = free.get(image, EVERY) & may
        for item in others if self._follow else ():
            if (home := self._home(item)) in free and home is not None:
                free[home] &= _alone(self._segments(item))
        self._turn = {}
        for image in sorted(free):
            if len(choice := sorted(free[image])) > 1:
                self._turn[image] = choice[int(rng.integers(len(choice)))]

    def _permitted(
        self, items: tuple[Segments, Segments], homes: set[str | None], instruction: str, images: set[str]
    ) -> frozenset[int]:
        if not self._follow:
            return EVERY if may_turn(items, instruction) else _NONE
        if names_direction(instruction):
            return _NONE
        may = _alone(items[0]) & _alone(items[1])
        # words of direction speak of one picture, and it must be known which
        return may if may == EVERY or (homes == images and len(images) == 1) else _NONE

    def show(self, item: int) -> Segments:
        """Return an item as it is right for the turned pictures; without `follow` as it is.

        A caption of a turned picture that no example of the batch asks for can name a direction all the same: the
        mask has it for right, and nothing else is asked of it.
        """
        segments = self._segments(item)
        if not self._follow or not self._turn:
            return segments
        return turned_segments(segments, self.of, self._size, self._home(item))

    def size(self, image: str) -> Size:
        """Return (width, height) of a picture as it is turned."""
        return turned_size(self._size(image), self.of(image))


def _alone(segments: Segments) -> frozenset[int]:
    may = EVERY
    for s in segments:
        if s.kind == "coordinate":
            return _NONE
        if s.kind == "text":
            may &= turns_of_words(s.text or "")
    return may
