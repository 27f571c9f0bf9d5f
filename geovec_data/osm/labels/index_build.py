"""Building the index of label files: features streamed to Parquet, then sorted by place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geovec_data import arrow
from geovec_data.osm.labels.antimeridian import area_of
from geovec_data.osm.labels.feature import Bounds, Feature, Tally
from geovec_data.osm.labels.label_files import features
from geovec_data.progress import bar

BATCH = 8192
GROUP_ROWS = 2048  # DuckDB writes row groups in multiples of this
_CELL = 0.01  # degrees, about 1 km: the grain of the Z-order curve
_BIG = 0.02  # degrees: larger features stand apart, so that they do not widen every row group's bounds

_SCHEMA = pa.schema(
    [
        ("file", pa.int32()),
        ("seq", pa.int64()),
        ("osm_type", pa.string()),
        ("osm_id", pa.int64()),
        ("version", pa.int32()),
        ("tags", pa.string()),
        ("wkb", pa.binary()),
        ("fault", pa.string()),
        ("form", pa.string()),
        ("width", pa.float64()),
        ("size", pa.float64()),
        ("west", pa.float64()),
        ("south", pa.float64()),
        ("east", pa.float64()),
        ("north", pa.float64()),
        ("big", pa.bool_()),
        ("cell", pa.int64()),
    ]
)
# One object in two files (neighbouring extracts) is taken from one of them: whole before broken, newer before
# older, larger before cut at the edge.
_SORT = """
COPY (
    SELECT * FROM raw
    QUALIFY osm_type IS NULL OR osm_id IS NULL OR file = first_value(file) OVER (
        PARTITION BY osm_type, osm_id ORDER BY fault IS NOT NULL, version DESC, size DESC, file, seq)
    ORDER BY big, cell, osm_type, osm_id, file, seq
) TO '{out}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows})
"""

Array = NDArray[Any]


def build_index(files: tuple[Path, ...], work: Path, within: Bounds | None = None) -> None:
    """Parse label files into ``work/features.parquet`` and, last, ``work/index.json``.

    Args:
        files: the label files.
        work: folder to write to.
        within: only what touches these bounds is kept; None keeps all.

    Raises:
        UserError: when a file is damaged.
        OSError: when `work` cannot be written.
    """
    import duckdb
    import shapely

    facts: list[dict[str, Any]] = []
    raw, out = work / "raw.parquet", work / "features.parquet"
    with pq.ParquetWriter(raw, _SCHEMA) as writer, bar(None, "features", "reading labels") as advance:
        for number, path in enumerate(files):
            tally, count, broken, hull = Tally(), 0, 0, _Hull()
            for rows in _batches(features(path, tally, work, within)):
                writer.write_table(_table(rows, number, count))
                good = [f.geometry for f in rows if f.geometry is not None]
                hull.add(good)
                count, broken = count + len(rows), broken + len(rows) - len(good)
                advance(len(rows))
            declared = tally.extent
            extent = area_of(declared) if declared else hull.area()
            facts.append(
                {
                    "file": path.name,
                    "date": tally.date,
                    "features": count - broken,
                    "known": tally.known,
                    "broken": broken + tally.broken_without_place,
                    "repaired": tally.repaired,
                    "not_areas": tally.not_areas,
                    "unknown": dict(sorted(tally.unknown.items())),
                    "declared": declared is not None,
                    "extent": shapely.to_wkt(extent, rounding_precision=9),
                }
            )
    try:
        with duckdb.connect(
            config={"memory_limit": "512MB", "temp_directory": str(work / "spill"), "threads": 2}
        ) as db:
            db.execute("SET enable_progress_bar = false")  # it would be drawn into the command's output
            rows = pa.RecordBatchReader.from_batches(_SCHEMA, pq.ParquetFile(raw).iter_batches(BATCH))
            db.register("raw", rows)  # not by its path: a folder's name may hold letters that are a pattern to DuckDB
            db.execute(_SORT.format(out=str(out).replace("'", "''"), rows=GROUP_ROWS))
    except duckdb.IOException as error:  # a full disk
        raise OSError(str(error)) from error
    raw.unlink()
    (work / "nodes.bin").unlink(missing_ok=True)
    shutil.rmtree(work / "spill", ignore_errors=True)
    (work / "index.json").write_text(json.dumps({"files": facts}), encoding="utf-8")


class _Hull:
    """Convex hull of geometries; of either side of the antimeridian its own, where they lie on both."""

    def __init__(self) -> None:
        import shapely

        self._sides: list[Any] = [shapely.Polygon(), shapely.Polygon()]

    def add(self, geometries: list[Any]) -> None:
        import shapely

        parts: Any = shapely.get_parts(geometries)
        east = shapely.bounds(parts)[:, [0, 2]].mean(axis=1) >= 0.0
        for side, own in enumerate((parts[~east], parts[east])):
            self._sides[side] = shapely.convex_hull(shapely.geometrycollections([self._sides[side], *own]))

    def area(self) -> Any:
        import shapely

        whole = shapely.convex_hull(shapely.geometrycollections(self._sides))
        west, _, east, _ = whole.bounds if not whole.is_empty else (0.0, 0.0, 0.0, 0.0)
        return shapely.union_all(self._sides) if east - west > 180.0 else whole


def _batches(stream: Iterator[Feature]) -> Iterator[list[Feature]]:
    rows: list[Feature] = []
    for feature in stream:
        rows.append(feature)
        if len(rows) == BATCH:
            yield rows
            rows = []
    if rows:
        yield rows


def _table(rows: list[Feature], file: int, start: int) -> pa.Table:
    import shapely

    geometries = np.array([f.geometry for f in rows], dtype=object)
    bounds = np.array([f.bounds for f in rows], dtype=np.float64)
    west, south, east, north = bounds.T
    columns: dict[str, Any] = {
        "file": [file] * len(rows),
        "seq": range(start, start + len(rows)),
        "osm_type": [f.osm_type for f in rows],
        "osm_id": [f.osm_id for f in rows],
        "version": [f.version for f in rows],
        "tags": [json.dumps(f.tags, ensure_ascii=False, sort_keys=True) for f in rows],
        "wkb": shapely.to_wkb(geometries),
        "fault": [f.fault for f in rows],
        "form": [f.form for f in rows],
        "width": [f.width for f in rows],
        "size": np.nan_to_num(shapely.area(geometries) + shapely.length(geometries)),
        "west": west,
        "south": south,
        "east": east,
        "north": north,
        "big": np.maximum(east - west, north - south) > _BIG,
        "cell": _z_order((west + east) / 2, (south + north) / 2),
    }
    made = [
        arrow.booleans(columns[f.name]) if f.type == pa.bool_() else arrow.array(columns[f.name], f.type)
        for f in _SCHEMA
    ]
    return pa.Table.from_arrays(made, schema=_SCHEMA)


def _z_order(lon: Array, lat: Array) -> Array:
    x = np.clip((lon + 180.0) / _CELL, 0, 65535).astype(np.int64)
    y = np.clip((lat + 90.0) / _CELL, 0, 65535).astype(np.int64)
    z = np.zeros_like(x)
    for bit in range(16):
        z |= ((x >> bit & 1) << (2 * bit)) | ((y >> bit & 1) << (2 * bit + 1))
    return z
