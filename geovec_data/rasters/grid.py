"""The windows that a raster is cut into: of a size in pixels, at a ground sample distance, with an overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from geovec_data.rasters.formats import TooLarge
from geovec_data.rasters.placement import Placement

WHOLE = 1.5  # an image up to so many times as large as a window stays whole
MAX_UPSAMPLED = 1.25  # pixels may be made finer by so much, which evens out what rounding and a map's scale do
MAX_WINDOWS = 2**22
BLOCK = 64  # windows that are read together
MOST_STRIPS = 8  # pieces of a raster that is decoded from the top down

Cut = tuple[int, int, int, int]  # x0, y0, width, height, in pixels of the raster


class TooCoarse(Exception):
    """The raster's own pixels are larger than those asked for; the message says both."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window of a raster.

    Attributes:
        cut: pixels of the raster.
        width: pixels of the chip made of it.
        height: likewise.
    """

    cut: Cut
    width: int
    height: int

    @property
    def resampled(self) -> bool:
        """Whether the chip's pixels are not the raster's own."""
        return (self.width, self.height) != self.cut[2:]


@dataclass(frozen=True, slots=True)
class Row:
    """Windows beside each other: their left edges, and what they have in common."""

    y0: int
    starts: tuple[int, ...]
    cut: tuple[int, int]
    chip: tuple[int, int]

    def windows(self, first: int = 0, last: int | None = None) -> Iterator[Window]:
        """Yield those from `first` up to `last`, from the left."""
        for x0 in self.starts[first:last]:
            yield Window((x0, self.y0, *self.cut), *self.chip)


def rows(place: Placement, size: int, overlap: int, gsd: float | None = None) -> tuple[Row, ...]:
    """Cut a raster into windows, row by row.

    An image of up to `WHOLE` times `size` on both sides stays whole. Else neighbours overlap by at least `overlap`
    pixels and the last window of a row or column is moved back to end at the edge, so that all are full size.

    Args:
        place: where the raster lies.
        size: side of a chip in its own pixels.
        overlap: in a chip's pixels.
        gsd: metres on the ground that a chip's pixels are to span, across and down; windows are as many whole pixels
            of the raster as come nearest to it. Taken at the middle of each row, as a map's scale changes with
            latitude. None: the raster's own pixels.

    Raises:
        TooCoarse: the raster's pixels are larger than `gsd` (by more than `MAX_UPSAMPLED`).
        TooLarge: there would be more than `MAX_WINDOWS`.
    """
    across, down = _scale(place, 0, place.height, gsd)
    whole = max(round(place.width / across), 1), max(round(place.height / down), 1)
    if max(whole) <= WHOLE * size:
        return (Row(0, (0,), (place.width, place.height), whole),)
    if place.width * place.height / (across * down) > MAX_WINDOWS * float(size - overlap) ** 2:
        raise TooLarge(
            f"{place.width}×{place.height} pixels make more than {MAX_WINDOWS} windows of {size}; give it in parts"
        )
    out: list[Row] = []
    y0, last = 0, False
    while not last:
        across, down = _scale(place, y0, max(round(size * down), 1), gsd)
        height = max(round(size * down), 1)
        last = y0 + height >= place.height
        if last:
            y0 = max(place.height - height, 0)
        width, height = min(max(round(size * across), 1), place.width), min(height, place.height)
        chip = min(size, max(round(width / across), 1)), min(size, max(round(height / down), 1))
        step = max(round((size - overlap) * across), 1)
        if not out or out[-1].y0 < y0:
            out.append(Row(y0, _starts(place.width, width, step), (width, height), chip))
        y0 += max(round((size - overlap) * down), 1)
    return tuple(out)


def blocks(cut: tuple[Row, ...]) -> Iterator[tuple[int, int, int]]:
    """Divide windows into pieces of work: (row, first window, end), at most `BLOCK` windows of one row each."""
    for number, row in enumerate(cut):
        for first in range(0, len(row.starts), BLOCK):
            yield number, first, min(first + BLOCK, len(row.starts))


def strips(cut: tuple[Row, ...]) -> Iterator[tuple[int, int]]:
    """Divide a raster that is decoded from the top down: (first row of windows, end).

    What lies above a piece is decoded for it in vain, with `MOST_STRIPS` pieces three and a half times all there is; to
    encode the chips takes ten times as long as to decode them once.
    """
    count = max(min(MOST_STRIPS, len(cut), sum(len(row.starts) for row in cut) // BLOCK), 1)
    for i in range(count):
        yield i * len(cut) // count, (i + 1) * len(cut) // count


def _starts(length: int, size: int, step: int) -> tuple[int, ...]:
    if size >= length:  # a strip no wider than a window
        return (0,)
    starts = list(range(0, length - size + 1, step))
    if starts[-1] + size < length:
        starts.append(length - size)
    return tuple(starts)


def _scale(place: Placement, y0: int, height: int, gsd: float | None) -> tuple[float, float]:
    """Return how many of the raster's pixels one of a chip spans, across and down, in the middle of some rows."""
    if gsd is None:
        return 1.0, 1.0
    height = min(height, place.height)
    y0 = min(y0, place.height - height)
    sides = place.window(0, y0, place.width, height).pixel_sides()
    if max(sides) > gsd * MAX_UPSAMPLED:
        raise TooCoarse(f"its pixels span {sides[0]:.3g} m × {sides[1]:.3g} m, reader.gsd={gsd:g} asks for finer ones")
    return gsd / sides[0], gsd / sides[1]
