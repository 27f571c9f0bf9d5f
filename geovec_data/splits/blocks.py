"""Square blocks of ground, or of the parent's pixels, each hashed to a split, with unused ground between splits.

Whether an image is used follows from the grid alone, not from which other images there are, so that adding images
moves none. Test comes before val, and val before train. An image has the split of the block that its centre lies
in, and is used when

- it reaches out of blocks of its split by at most `overhang`, and
- it keeps `buffer` and an `overhang` more from every block of a split that comes before its own.

Two used images of different splits are then at least `buffer` apart: the one that comes first reaches at most
`overhang` out of its blocks, and the other keeps that much and the buffer from them. The best overhang is half an
image's side where images lie anyhow: less loses test images on the edges of blocks, more loses train. On 80/10/10 with
images of 150 m on blocks of 300 m, `buffer` 10 and `overhang` 75, 43/7/9 % of the images are used, where sparing only
what images do meet, which new images can undo, used 44/8/10 %; of 78 m on 600 m, 30 and 30, 71/9/9 and 72/10/10 %.

The grid on the ground is in rows of latitude, each with its own scale of longitude, so that blocks are fixed on Earth
and near enough to square. It does not close at the antimeridian, and is coarse within a degree of a pole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from geovec_data.splits.options import SplitOptions
from geovec_data.splits.placed import UNUSED, Assignment, Placed
from geovec_data.splits.shares import pick

NO_POSITION = "hash of origin (no position)"
_STRICT = {"test": 0, "val": 1, "train": 2}
_METRES_PER_DEGREE = 111_195.0  # mean great-circle degree, R = 6371.0088 km
_MOST_BLOCKS = 64  # a side: what is larger lies in no one block and need not be looked up block by block
_KEPT = 1 << 18  # splits of blocks that are remembered

Rect = tuple[float, float, float, float]


def by_block(images: Iterable[Placed], options: SplitOptions) -> Iterator[Assignment]:
    """Assign images by the block they lie in; an image without position is hashed by its origin."""
    earth = _Grid("earth", options, on_earth=True)
    parent = earth
    for p in images:
        if p.bounds is None:
            yield p.image, pick(options, p.origin), NO_POSITION
        elif p.georeferenced:
            yield p.image, *earth.assign(p.bounds)
        else:
            space = f"{p.corpus}/{p.parent}"
            if parent.space != space:
                parent = _Grid(space, options, on_earth=False)
            yield p.image, *parent.assign(p.bounds)


class _Grid:
    """The blocks of the Earth, in metres, or of one parent, in pixels (it has none left of or above 0)."""

    def __init__(self, space: str, options: SplitOptions, *, on_earth: bool) -> None:
        self.space = space
        self._options, self._on_earth = options, on_earth
        self._side = options.block
        self._overhang = options.buffer if options.overhang is None else options.overhang
        self._known: dict[tuple[int, int], str] = {}

    def assign(self, bounds: Rect) -> tuple[str, str]:
        """Return split and reason of an image with these bounds, in degrees on Earth, else in pixels."""
        x0, y0, x1, y1 = bounds
        if self._on_earth:
            y0, y1 = y0 * _METRES_PER_DEGREE, y1 * _METRES_PER_DEGREE
        middle = (y0 + y1) / 2
        row = math.floor(middle / self._side)
        scale = self._scale(row)
        centre = (x0 + x1) / 2 * scale
        own = self._split(row, math.floor(centre / self._side))
        if max((x1 - x0) * scale, y1 - y0) > _MOST_BLOCKS * self._side:
            return UNUSED, f"larger than {_MOST_BLOCKS} blocks"
        # what is left of the image when all that may reach out is taken off; never less than a dot at its centre
        dot = 1e-6 * self._side
        wide = max((x1 - x0) / 2 - self._overhang / scale, 0.0)
        high = max((y1 - y0) / 2 - self._overhang, 0.0)
        left = (x0 + x1) / 2 - wide
        core = left, middle - high, max(left + 2 * wide, left + dot / scale), middle + max(high, dot)
        if any(split != own and gap < 0 for split, gap in self._near(core, 0.0)):
            return UNUSED, "reaches out of its block"
        near = {
            split
            for split, gap in self._near((x0, y0, x1, y1), self._overhang)
            if _STRICT[split] < _STRICT[own] and gap < self._options.buffer
        }
        if near:
            return UNUSED, f"buffer to {min(near, key=_STRICT.__getitem__)}"
        return own, "hash of block"

    def _near(self, rect: Rect, grow: float) -> Iterator[tuple[str, float]]:
        """Yield split and distance of the blocks around a rectangle that was grown; below 0 is an overlap."""
        x0, y0, x1, y1 = rect
        y0, y1 = y0 - grow, y1 + grow
        side, reach = self._side, self._options.buffer
        for row in range(math.floor((y0 - reach) / side), math.ceil((y1 + reach) / side)):
            scale = self._scale(row)
            left, right = x0 * scale - grow, x1 * scale + grow
            dy = max(row * side - y1, y0 - (row + 1) * side)
            for column in range(math.floor((left - reach) / side), math.ceil((right + reach) / side)):
                if self._on_earth or (row >= 0 and column >= 0):
                    dx = max(column * side - right, left - (column + 1) * side)
                    overlap = dx < 0 and dy < 0
                    yield self._split(row, column), -1.0 if overlap else math.hypot(max(dx, 0.0), max(dy, 0.0))

    def _scale(self, row: int) -> float:
        """Return what an x is multiplied with in a row of blocks: metres per degree of longitude there, or 1."""
        if not self._on_earth:
            return 1.0
        latitude = min(abs((row + 0.5) * self._side / _METRES_PER_DEGREE), 89.0)
        return _METRES_PER_DEGREE * math.cos(math.radians(latitude))

    def _split(self, row: int, column: int) -> str:
        key = (row, column)
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = pick(self._options, self.space, f"{column},{row}")
        return self._known[key]
