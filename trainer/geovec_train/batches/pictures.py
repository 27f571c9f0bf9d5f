"""Decoded images in bounded memory, and the turns that may be given to them in training."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from geovec_data.records import Segments
from geovec_train.models.inputs import Pixels

TURNS = 8  # the symmetries of a square: four rotations, each with its mirror image

# A picture may be turned only where no word says where things are. Coordinates and boxes forbid it as well.
_DIRECTION = re.compile(
    r"\b(?:(?:left|right|top|bottom)\w*|(?:upper|lower)(?:most)?|(?:up|down)(?:wards?|side)?|highest|lowest"
    r"|above|below|over|beneath|under(?:neath)?|vertical(?:ly)?|horizontal(?:ly)?"
    r"|(?:north|south|east|west)\w*|[ns][ew]|clockwise|anticlockwise|counterclockwise|clock"
    r"|corner|first|last|row|column)\b",
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
        prepare: decodes and resizes encoded bytes to uint8 (height, width, 3); called by several threads.
        limit: the most bytes of pictures to hold.
        workers: threads that decode (Pillow lets go of the interpreter lock).
    """

    def __init__(
        self, fetch: Callable[[str], bytes], prepare: Callable[[bytes], Pixels], limit: int, workers: int = 1
    ) -> None:
        self._fetch, self._prepare, self._limit = fetch, prepare, limit
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="geovec-decode")
        self._held: OrderedDict[str, Pixels] = OrderedDict()
        self._bytes = 0

    def get(self, images: Collection[str]) -> dict[str, Pixels]:
        """Return pictures, uint8 (height, width, 3) each; those that are not held are decoded side by side."""
        out = {i: self._held.pop(i) for i in images if i in self._held}
        new = [i for i in images if i not in out]
        # bytes are read one after the other, in this thread: a Parquet file has one reader
        out |= zip(new, self._workers.map(self._prepare, [self._fetch(i) for i in new]), strict=True)
        self._held |= out
        self._bytes += sum(out[i].nbytes for i in new)
        while len(self._held) > 1 and self._bytes > self._limit:
            self._bytes -= self._held.popitem(last=False)[1].nbytes
        return out
