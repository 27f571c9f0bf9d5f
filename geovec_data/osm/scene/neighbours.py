"""Which images lie around one: those of other files, and the windows beside a window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from geovec_data.align import MOST, NEAR, nearest
from geovec_data.rasters.grid import Row, Window
from geovec_data.rasters.placement import Placement
from geovec_data.readers.base import Entry

MOST_FILES = 10_000  # of more, not all are opened to be listed: their images borrow from no other


def with_neighbours(entries: Iterable[Entry], whole: Callable[[str], Placement | None]) -> Iterator[Entry]:
    """Add to each entry that is one image its nearest ones: as ``around`` of the payload, and to its files.

    Args:
        entries: of a source.
        whole: places the file of an entry's key; None: it is cut into windows, or cannot be used.
    """
    kept = list(entries)
    if len(kept) > MOST_FILES:
        yield from kept
        return
    placed = [(e, p) for e in kept if e.payload is None and (p := whole(e.key)) is not None]
    around = nearest([p.center() for _, p in placed])
    others = {e.key: [placed[i][0] for i in numbers] for (e, _), numbers in zip(placed, around, strict=True) if numbers}
    for entry in kept:
        if entry.key not in others:
            yield entry
            continue
        near = others[entry.key]
        files = dict.fromkeys([*entry.files, *(f for e in near for f in e.files)])
        yield replace(entry, files=tuple(files), payload={"raster": entry.key, "around": [e.key for e in near]})


def windows_around(window: Window, cut: Iterable[Row], whole: Placement) -> list[Window]:
    """Return the nearest windows of the same raster: at most `MOST`, their corners within `NEAR` of the window's.

    Args:
        window: one of them.
        cut: all rows of the raster's windows.
        whole: where the raster lies.
    """
    across, down = whole.pixel_sides()
    x0, y0, *_ = window.cut
    reach_x, reach_y = NEAR / across, NEAR / down
    found = [
        (((w.cut[0] - x0) * across) ** 2 + ((w.cut[1] - y0) * down) ** 2, w.cut, w)
        for row in cut
        if abs(row.y0 - y0) <= reach_y
        for w in row.windows()
        if abs(w.cut[0] - x0) <= reach_x and w.cut != window.cut
    ]
    return [w for distance, _, w in sorted(found, key=lambda f: f[:2])[:MOST] if distance <= NEAR**2]
