"""The features of label files, parsed once into a spatially sorted Parquet file that worker processes read bits of.

Parsing a country's ``.osm.pbf`` takes minutes and more memory than a worker should have. So the first process to
need it streams the features to Parquet, sorts them along a Z-order curve (DuckDB, on disk where memory is short)
and keeps the result in the cache under the hash of the files' content; then a scene reads only the row groups
that its bounds touch. An index is written to a temporary folder and renamed, so two builders cannot meet.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geovec_data import arrow
from geovec_data.errors import ResourceFault
from geovec_data.osm.labels.feature import Bounds, Feature
from geovec_data.osm.labels.index_build import build_index
from geovec_data.osm.labels.label_files import label_files
from geovec_data.osm.labels.shapes import widen
from geovec_data.osm.tag_table import table_hash

INDEX_VERSION = 4
KEEP_GROUPS = 48

Array = NDArray[Any]
Columns = dict[str, list[Any]]

_EDGES = ("west", "south", "east", "north")
_READ = ("wkb", "tags", "osm_type", "osm_id", "version", "fault", "form", "width")


def labels_digest(files: tuple[Path, ...], within: Bounds | None = None) -> str:
    """Hash the files' names and content, and the table of tags and the bounds that decide which features are kept."""
    h = hashlib.sha256(f"{INDEX_VERSION} {table_hash()} {within}".encode())
    for path in files:
        with path.open("rb") as file:
            h.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    return h.hexdigest()[:32]


def open_index(labels: Path, cache: Path, within: Bounds | None = None) -> LabelIndex:
    """Open the index of a labels file or folder, building it first where the cache has none.

    Args:
        labels: the file or folder.
        cache: where indexes are kept.
        within: only what touches these bounds is indexed; None indexes all.

    Raises:
        UserError: when there are no labels, or a file is damaged.
        ResourceFault: when the cache cannot be written.
    """
    files = label_files(labels)
    folder = cache / f"osm-{labels_digest(files, within)}"
    if not (folder / "index.json").is_file():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            if folder.is_dir() and not (folder / "index.json").is_file():  # somebody deleted half of it
                shutil.rmtree(folder)
            work = Path(tempfile.mkdtemp(prefix=".osm-", dir=cache))
        except OSError as error:
            raise ResourceFault(
                f"cannot write to {cache} ({error}); set GEOVEC_CACHE to a folder you can write to"
            ) from error
        try:
            build_index(files, work, within)
            work.rename(folder)
        except OSError as error:
            if not (folder / "index.json").is_file():  # else another process was faster: its index is the same
                raise ResourceFault(f"cannot write the labels index to {cache} ({error})") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return LabelIndex(folder, labels)


class LabelIndex:
    """The features of label files by place. Opened once in a process; holds at most `KEEP_GROUPS` row groups.

    Attributes:
        files: one dictionary a file: name, counts, and its extent with whether the file declared it.
    """

    def __init__(self, folder: Path, labels: Path) -> None:
        import shapely

        self.files: list[dict[str, Any]] = json.loads((folder / "index.json").read_text(encoding="utf-8"))["files"]
        self._labels = labels
        self._areas = {f["file"]: shapely.from_wkt(f["extent"]) for f in self.files}
        self._file = pq.ParquetFile(folder / "features.parquet")
        self._bounds = self._group_bounds()
        self._kept: OrderedDict[int, _Group] = OrderedDict()

    def _group_bounds(self) -> Array:
        meta = self._file.metadata
        at = {meta.schema.column(i).name: i for i in range(meta.num_columns)}
        rows = []
        for g in range(meta.num_row_groups):
            group = meta.row_group(g)
            stats = {n: group.column(at[n]).statistics for n in _EDGES}
            rows.append((stats["west"].min, stats["south"].min, stats["east"].max, stats["north"].max))
        return np.ascontiguousarray(np.array(rows, dtype=np.float64).reshape(-1, 4).T)

    @property
    def count(self) -> int:
        """How many features there are, those with a fault included."""
        return int(self._file.metadata.num_rows)

    def extents(self) -> tuple[Any, Any]:
        """Return two shapely geometries (lon, lat): the area that files declare, and the others' hulls."""
        import shapely

        parts: dict[bool, list[Any]] = {True: [], False: []}
        for fact in self.files:
            parts[fact["declared"]].append(shapely.from_wkt(fact["extent"]))
        return shapely.union_all(parts[True]), shapely.union_all(parts[False])

    def dates(self, bounds: Bounds) -> tuple[str, ...]:
        """Return the dates of the map in the files whose extent touches `bounds`, oldest first."""
        import shapely

        box = shapely.box(*bounds)
        return tuple(sorted({f["date"] for f in self.files if f["date"] and self._areas[f["file"]].intersects(box)}))

    def query(self, bounds: Bounds) -> list[Feature]:
        """Return the features whose bounds touch `bounds`, all of them areas now, in a fixed order."""
        out: list[Feature] = []
        for group in np.flatnonzero(_touch(self._bounds, bounds)):
            out += self._group(int(group)).features(bounds)
        return out

    def _group(self, number: int) -> _Group:
        if number not in self._kept:
            self._kept[number] = _Group(self._file.read_row_group(number, columns=[*_EDGES, *_READ]))
            if len(self._kept) > KEEP_GROUPS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]


class _Group:
    """A row group in memory. A row is made a feature when it is first asked for: neighbouring chips ask again."""

    def __init__(self, table: Any) -> None:
        self._boxes: Array = np.stack([arrow.numbers(table[n].combine_chunks()) for n in _EDGES])
        # plain columns: taking a chip's few rows out of an Arrow table costs more than all else in a query
        self._columns: Columns = {n: table[n].to_pylist() for n in _READ}
        self._made: list[Feature | None] = [None] * table.num_rows

    def features(self, bounds: Bounds) -> list[Feature]:
        """Return those whose bounds touch `bounds`."""
        rows = np.flatnonzero(_touch(self._boxes, bounds)).tolist()
        made = self._made
        if new := [i for i in rows if made[i] is None]:
            self._make(new)
        return [f for i in rows if (f := made[i]) is not None]

    def _make(self, rows: list[int]) -> None:
        import shapely

        c = self._columns
        geometries: Array = shapely.from_wkb(np.array([c["wkb"][i] for i in rows], dtype=object))
        drawn = np.array([c["width"][i] is not None for i in rows])
        if drawn.any():
            geometries[drawn] = widen(geometries[drawn], np.array([c["width"][i] for i in rows])[drawn].astype(float))
        for i, geometry, box in zip(rows, geometries.tolist(), self._boxes[:, rows].T.tolist(), strict=True):
            self._made[i] = Feature(
                geometry, json.loads(c["tags"][i]), c["osm_type"][i], c["osm_id"][i], c["version"][i],
                (box[0], box[1], box[2], box[3]), c["fault"][i], c["form"][i],
            )  # fmt: skip


def _touch(boxes: Array, b: Bounds) -> Array:
    """Tell which of the boxes (4, n) share a point with bounds."""
    west, south, east, north = boxes
    hits: Array = (west <= b[2]) & (east >= b[0]) & (south <= b[3]) & (north >= b[1])
    return hits
