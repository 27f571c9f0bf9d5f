"""Decoded images in bounded memory, and the turns that may be given to them in training."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable

import numpy as np

from geovec_data.records import Segments
from geovec_train.inputs import Pixels

TURNS = 8  # the symmetries of a square: four rotations, each with its mirror image

# A picture may be turned only where no word says where things are. Coordinates and boxes forbid it as well.
_DIRECTION = re.compile(
    r"\b(?:(?:left|right|top|bottom|upper|lower)(?:most)?|above|below|over|beneath|under|vertical(?:ly)?|horizontal(?:ly)?"
    r"|(?:north|south|east|west)\w*|clockwise|anticlockwise|counterclockwise|corner|first|last|row|column)\b",
    re.IGNORECASE,
)


def names_direction(text: str) -> bool:
    """Tell whether a text says where something is in the picture, so that a turn would make it wrong."""
    return _DIRECTION.search(text) is not None


def may_turn(items: Iterable[Segments], *texts: str) -> bool:
    """Tell whether the images of an example may be turned: no box, no coordinate, no word of direction."""
    for segments in items:
        for s in segments:
            if s.kind in ("box", "coordinate") or (s.kind == "text" and names_direction(s.text or "")):
                return False
    return not any(names_direction(t) for t in texts)


def turned(pixels: Pixels, turn: int) -> Pixels:
    """Return the picture under one of the eight symmetries of a square; 0 leaves it as it is."""
    if turn >= 4:
        pixels = pixels.transpose(1, 0, 2)
    return np.rot90(pixels, turn % 4)


class PictureCache:
    """Pictures by image id, as the encoder wants them; the least recently used go when `limit` bytes are held.

    Args:
        fetch: gives an image's encoded bytes.
        prepare: decodes and resizes encoded bytes to uint8 (height, width, 3).
        limit: the most bytes of pictures to hold.
    """

    def __init__(self, fetch: Callable[[str], bytes], prepare: Callable[[bytes], Pixels], limit: int) -> None:
        self._fetch, self._prepare, self._limit = fetch, prepare, limit
        self._held: OrderedDict[str, Pixels] = OrderedDict()
        self._bytes = 0

    def get(self, image: str) -> Pixels:
        """Return a picture: uint8 (height, width, 3)."""
        pixels = self._held.pop(image, None)
        if pixels is None:
            pixels = self._prepare(self._fetch(image))
            self._bytes += pixels.nbytes
            while self._held and self._bytes > self._limit:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
        self._held[image] = pixels
        return pixels
