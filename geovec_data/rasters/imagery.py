"""The rasters of a folder or a list, and their division into pieces of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from geovec_data.rasters.formats import SUFFIXES, Unreadable
from geovec_data.rasters.georef import sidecars
from geovec_data.rasters.grid import Row, blocks
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

    def entries(self, rows_of: Callable[[str], tuple[Row, ...]]) -> Iterator[Entry]:
        """Yield the pieces of work: a small raster whole, of a large one each row of windows by itself.

        Args:
            rows_of: the windows of a raster; none, where it cannot be divided or read.
        """
        for name in self.names:
            files = (name, *sidecars(name), *self._sources.get(name, ()))
            row = rows_of(name) if self._is_large(name) else ()
            parts = list(blocks(row))
            if len(parts) <= 1:
                yield Entry(name, files)
                continue
            for number, first, last in parts:
                key = f"{name}#row{row[number].y0},{row[number].starts[first]}"
                yield Entry(key, files, {"raster": name, "row": number, "first": first, "last": last})

    def _is_large(self, name: str) -> bool:
        return name.lower().endswith(VRT) or (self.root / name).stat().st_size >= DIVIDED_BYTES
