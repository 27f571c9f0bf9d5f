"""OSM areas in GeoParquet: QuackOSM's and Overture Maps' columns, or any exporter's, streamed batch by batch.

Layouts: https://geoparquet.org/releases/v1.1.0/ (the ``geo`` metadata; a CRS left out is OGC:CRS84, a null one is
unknown), https://kraina-ai.github.io/quackosm/ (``feature_id`` = ``way/123``, ``tags`` a map or one column a tag),
https://docs.overturemaps.org/schema/ (``sources[].record_id`` = ``w123@4``, ``source_tags`` of the base theme).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from geovec_data.errors import UserError
from geovec_data.osm.labels.feature import Bounds, Feature, Tally, touch
from geovec_data.osm.labels.row import bounds_in, row_feature

_RECORD = re.compile(r"^([nwr])(\d+)(?:@(\d+))?$")
_KINDS = {"n": "node", "w": "way", "r": "relation"}
_ROWS = 4096
_BUFFER = 2**20  # bytes of a column chunk in memory at once; without it, or with pre_buffer, all of it


def read_geoparquet(path: Path, tally: Tally, within: Bounds | None = None) -> Iterator[Feature]:
    """Stream the features of a GeoParquet file; row groups that lie apart from `within` are not read.

    Raises:
        UserError: when it is damaged, has no geometry column or does not say its CRS.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    try:
        with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            column, crs, covering = _geometry(path, file.schema_arrow)
            groups = _groups(file.metadata, covering, None if within is None else bounds_in(within, crs, str(path)))
            overture = {"sources", "bbox", "version"} <= set(file.schema_arrow.names)
            building = "is_underground" in file.schema_arrow.names
            number = 0
            for batch in file.iter_batches(_ROWS, row_groups=groups):
                for row in batch.to_pylist(maps_as_pydicts="lossy"):
                    geometry = shapely.from_wkb(row.pop(column), on_invalid="ignore")
                    properties = _overture(row, building) if overture else row
                    feature = row_feature(geometry, properties, tally, crs, f"{path} row {number}", within)
                    number += 1
                    if feature is not None:
                        yield feature
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"source.labels={path} cannot be read as Parquet ({error}); get it again") from error


def _groups(meta: Any, covering: Any, box: Bounds | None) -> list[int]:
    """Return the row groups that may hold something in a box, as the statistics of the ``covering`` columns tell."""
    paths = [".".join(covering[n]) for n in ("xmin", "ymin", "xmax", "ymax")] if covering else []
    every = list(range(meta.num_row_groups))
    at = {meta.schema.column(i).path: i for i in range(meta.num_columns)}
    if box is None or not paths or not set(paths) <= set(at):
        return every

    def near(group: int) -> bool:
        low, high = "min", "max"
        stats = [meta.row_group(group).column(at[p]).statistics for p in paths]
        if not all(s is not None and s.has_min_max for s in stats):
            return True
        west, south, east, north = (getattr(s, n) for s, n in zip(stats, (low, low, high, high), strict=True))
        return touch((west, south, east, north), box)

    return [g for g in every if near(g)]


def _geometry(path: Path, schema: Any) -> tuple[str, str, Any]:
    """Return the geometry column's name, its CRS and the columns of its bounds, as the ``geo`` metadata says."""
    try:
        geo = json.loads((schema.metadata or {})[b"geo"])
        column = geo["primary_column"]
        facts = geo["columns"][column]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"source.labels={path} is no GeoParquet: its metadata names no geometry column (columns:"
            f" {', '.join(schema.names[:8])}). Write it with geopandas.to_parquet, GDAL or QuackOSM"
        ) from error
    if column not in schema.names:
        raise UserError(f"source.labels={path}: its geometry column '{column}' is missing")
    if facts.get("encoding", "WKB") != "WKB":
        raise UserError(f"source.labels={path}: geometry encoding '{facts['encoding']}' is not supported; write WKB")
    crs = facts.get("crs", "OGC:CRS84")
    if crs is None:
        raise UserError(
            f"source.labels={path} does not say its CRS (crs is null in its metadata). Set it, e.g. with"
            " geopandas: frame.set_crs('EPSG:4326').to_parquet(…)"
        )
    return column, crs if isinstance(crs, str) else json.dumps(crs), (facts.get("covering") or {}).get("bbox")


def _overture(row: Mapping[str, Any], building: bool) -> dict[str, Any]:
    """Turn a row of Overture Maps into the columns of an OSM exporter."""
    tags: dict[str, Any] = dict(row.get("source_tags") or {})
    if building:
        tags["building"] = row.get("class") or "yes"
        if row.get("is_underground"):
            tags["location"] = "underground"
    name = (row.get("names") or {}).get("primary")
    if name:
        tags.setdefault("name", name)
    out: dict[str, Any] = {"tags": tags}
    for source in row.get("sources") or ():
        match = _RECORD.match(str(source.get("record_id") or ""))
        if source.get("dataset") == "OpenStreetMap" and match:
            out |= {"@id": f"{_KINDS[match[1]]}/{match[2]}", "version": match[3]}
            break
    return out
