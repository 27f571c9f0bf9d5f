"""Label files with OpenStreetMap features: which files a path means, and their features and extents, streamed.

A line or a point that the table of tags knows comes with its width on the ground; `geovec_data.osm.labels.shapes.widen`
makes areas of such.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from geovec_data.errors import UserError
from geovec_data.osm.labels.feature import Bounds, Feature, Tally
from geovec_data.osm.labels.geojson import read_geojson
from geovec_data.osm.labels.geopackage import read_geopackage
from geovec_data.osm.labels.geoparquet import read_geoparquet
from geovec_data.osm.labels.osm_file import read_osm

OSM_SUFFIXES = (".osm", ".osm.bz2", ".osm.gz", ".pbf")
VECTOR_SUFFIXES = (".geojson", ".json", ".gpkg", ".parquet", ".geoparquet")


def label_files(labels: Path) -> tuple[Path, ...]:
    """List the label files that a path means: itself, or those in the folder, by name.

    Raises:
        UserError: when there is none; says what is accepted and what was found.
    """
    kinds = ", ".join((*OSM_SUFFIXES, *VECTOR_SUFFIXES))
    if labels.is_file():
        if not _is_labels(labels):
            raise UserError(f"source.labels={labels}: not one of {kinds}")
        return (labels,)
    if not labels.is_dir():
        raise UserError(
            f"source.labels={labels}: no such file or folder. It must be OSM data: one of {kinds}, or a folder of such"
            " files. An extract can be had from https://download.geofabrik.de or https://export.hotosm.org"
        )
    # a .json in a folder of labels is as likely somebody's COCO file; one that is meant is named itself
    files = tuple(sorted(p for p in labels.iterdir() if p.is_file() and _is_labels(p) and p.suffix.lower() != ".json"))
    if not files:
        found = ", ".join(sorted(p.name for p in labels.iterdir())[:5]) or "nothing"
        raise UserError(f"source.labels={labels}: the folder holds no labels ({kinds}); found: {found}")
    return files


def _is_labels(path: Path) -> bool:
    return path.name.lower().endswith((*OSM_SUFFIXES, *VECTOR_SUFFIXES))


def features(path: Path, tally: Tally, scratch: Path | None = None, within: Bounds | None = None) -> Iterator[Feature]:
    """Stream the features of a labels file; `tally` is complete after the last one.

    Args:
        path: the file.
        tally: filled.
        scratch: folder for what does not fit in memory (node locations of a large OSM file); None keeps all there.
        within: only features whose bounds touch these are given; None gives all.

    Raises:
        UserError: when the file is damaged or not what its name says.
    """
    if path.name.lower().endswith(OSM_SUFFIXES):
        return read_osm(path, tally, scratch, within)
    if path.suffix.lower() in (".parquet", ".geoparquet"):
        return read_geoparquet(path, tally, within)
    if path.suffix.lower() == ".gpkg":
        return read_geopackage(path, tally, within)
    return read_geojson(path, tally, within)
