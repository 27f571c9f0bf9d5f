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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geovec_data.errors import ResourceFault
from geovec_data.osm.tags import table_hash
from geovec_data.readers.osm_index_build import build_index
from geovec_data.readers.osm_labels import Bounds, Feature, label_files

INDEX_VERSION = 3
KEEP_GROUPS = 32

Array = NDArray[Any]
Columns = dict[str, list[Any]]

_EDGES = ("west", "south", "east", "north")
_READ = ("wkb", "tags", "osm_type", "osm_id", "version", "fault", "form")


def labels_digest(files: tuple[Path, ...]) -> str:
    """Hash the files' names and content, and the table of tags that decides which features are kept."""
    h = hashlib.sha256(f"{INDEX_VERSION} {table_hash()}".encode())
    for path in files:
        with path.open("rb") as file:
            h.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    return h.hexdigest()[:32]


def open_index(labels: Path, cache: Path) -> LabelIndex:
    """Open the index of a labels file or folder, building it first where the cache has none.

    Raises:
        UserError: when there are no labels, or a file is damaged.
        ResourceFault: when the cache cannot be written.
    """
    files = label_files(labels)
    folder = cache / f"osm-{labels_digest(files)}"
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
            build_index(files, work)
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
        self._kept: OrderedDict[int, tuple[Array, Columns]] = OrderedDict()

    def _group_bounds(self) -> Array:
        meta = self._file.metadata
        at = {meta.schema.column(i).name: i for i in range(meta.num_columns)}
        rows = []
        for g in range(meta.num_row_groups):
            group = meta.row_group(g)
            stats = {n: group.column(at[n]).statistics for n in _EDGES}
            rows.append((stats["west"].min, stats["south"].min, stats["east"].max, stats["north"].max))
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

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
        """Return the features whose bounds touch `bounds`, in a fixed order."""
        out: list[Feature] = []
        for group in np.flatnonzero(_touch(self._bounds, bounds)):
            boxes, columns = self._group(int(group))
            hits = np.flatnonzero(_touch(boxes, bounds))
            if hits.size:
                out += _features(boxes, columns, hits)
        return out

    def _group(self, number: int) -> tuple[Array, Columns]:
        if number not in self._kept:
            table = self._file.read_row_group(number, columns=[*_EDGES, *_READ])
            boxes = np.column_stack([table[n].to_numpy() for n in _EDGES])
            # plain columns: taking a chip's few rows out of an Arrow table costs more than all else in a query
            self._kept[number] = boxes, {n: table[n].to_pylist() for n in _READ}
            if len(self._kept) > KEEP_GROUPS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]


def _touch(boxes: Array, b: Bounds) -> Array:
    hits: Array = (boxes[:, 0] <= b[2]) & (boxes[:, 2] >= b[0]) & (boxes[:, 1] <= b[3]) & (boxes[:, 3] >= b[1])
    return hits


def _features(boxes: Array, columns: Columns, hits: Array) -> Iterator[Feature]:
    import shapely

    rows = hits.tolist()
    geometries = shapely.from_wkb([columns["wkb"][i] for i in rows])
    for i, geometry, (west, south, east, north) in zip(rows, geometries, boxes[hits].tolist(), strict=True):
        yield Feature(
            geometry=geometry,
            tags=json.loads(columns["tags"][i]),
            osm_type=columns["osm_type"][i],
            osm_id=columns["osm_id"][i],
            version=columns["version"][i],
            bounds=(west, south, east, north),
            fault=columns["fault"][i],
            form=columns["form"][i],
        )
