"""The rasters of a folder or a list, and their division into pieces of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from geovec_data.rasters.formats import SUFFIXES, Unreadable, mask_file
from geovec_data.rasters.georef import sidecars
from geovec_data.rasters.grid import Row, Window, blocks, strips
from geovec_data.rasters.vrt import safe_vrt
from geovec_data.readers.base import Entry

DIVIDED_BYTES = 4 << 20  # smaller files are read by one worker, and are not opened to be listed

VRT = ".vrt"


class Imagery:
    """Rasters below a root.

    Args:
        root: folder.
        names: source-relative posix paths; None: all image files that match `pattern`.
        pattern: glob below the root.
    """

    def __init__(self, root: Path, names: Sequence[str] | None, pattern: str) -> None:
        self.root = root
        found = (
            sorted(names)
            if names is not None
            else sorted(
                p.relative_to(root).as_posix()
                for p in root.glob(pattern)
                if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()
            )
        )
        self._sources = {n: self._sources_of(n) for n in found if n.lower().endswith(VRT)}
        laid = {s for sources in self._sources.values() for s in sources}
        self.names = [n for n in found if n not in laid]
        """Those to read: a raster that one of the VRTs lays together with others comes as part of that."""

    def _sources_of(self, name: str) -> tuple[str, ...]:
        try:
            return safe_vrt(self.root / name, self.root).sources
        except (Unreadable, OSError):
            return ()  # told when it is read

    def entries(self, cut_of: Callable[[str], tuple[tuple[Row, ...], bool]]) -> Iterator[Entry]:
        """Yield the pieces of work: a small raster whole, of a large one each row of windows, or some rows, by itself.

        Args:
            cut_of: the windows of a raster, none where it cannot be read, and whether it is decoded from the top down.
        """
        for name in self.names:
            files = (name, *sidecars(name), mask_file(name), *self._sources.get(name, ()))
            parts = list(_parts(*cut_of(name))) if self._is_large(name) else []
            if len(parts) <= 1:
                yield Entry(name, files)
                continue
            for where, part in parts:
                yield Entry(f"{name}#row{where}", files, {"raster": name, **part})

    def _is_large(self, name: str) -> bool:
        return name.lower().endswith(VRT) or (self.root / name).stat().st_size >= DIVIDED_BYTES


def _parts(cut: tuple[Row, ...], sequential: bool) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield where each piece begins, and which windows it has."""
    if sequential:
        for start, end in strips(cut):
            yield f"{cut[start].y0}", {"row": start, "end": end}
        return
    for number, first, last in blocks(cut):
        yield f"{cut[number].y0},{cut[number].starts[first]}", {"row": number, "first": first, "last": last}


def windows_of(cut: tuple[Row, ...], part: Mapping[str, Any]) -> Iterator[Window]:
    """Yield the windows of a piece of work, row by row.

    Args:
        cut: all windows of the raster.
        part: the payload of its entry; without a row all of them.
    """
    for row in cut[part["row"] : part.get("end", part["row"] + 1)] if "row" in part else cut:
        yield from row.windows(part.get("first", 0), part.get("last"))
