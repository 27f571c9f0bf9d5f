"""OSM data files (``.osm``, ``.osm.bz2``, ``.osm.gz``, ``.osm.pbf``), streamed with pyosmium.

Closed ways and multipolygon relations become areas, holes included; ways and nodes that the table of tags knows as
lines and points come with their width on the ground. An area that should be there and cannot be
assembled (its ring crosses itself, a member lies outside the extract) is given as a feature with a fault, so that
nobody takes its place for empty ground. Node locations, 16 bytes a node, lie on disk for files over `ON_DISK` bytes.
Objects without a key of the table are dropped by osmium, before they cost Python anything.
"""

from __future__ import annotations

import bz2
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geovec_data.errors import UserError
from geovec_data.osm.labels.batch import Batch
from geovec_data.osm.labels.feature import Bounds, Feature, Tally, touch
from geovec_data.osm.labels.objects import Sorter
from geovec_data.osm.tag_table import table
from geovec_data.osm.tags import KEYS

_PLACE_KEYS = ("boundary", "place")

ON_DISK = 16 * 2**20  # of the file: some 3 million nodes, so 50 MB; twice that where nodes are packed most tightly
_OSM_BASE = re.compile(rb'<meta[^>]*\sosm_base="([^"]+)"')


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # what pyosmium raises for every damage of a file
        raise UserError(
            f"source.labels={path} cannot be read as OSM data ({error}); it is damaged, cut short or not what its"
            " name says. Get it again"
        ) from error


def _header(path: Path, tally: Tally) -> None:
    """Take the bounds and the date of the file's header, where it has them.

    Raises:
        UserError: when the file is damaged, or a history file with several versions of an object.
    """
    import osmium

    with _explained(path):
        with osmium.io.Reader(str(path), osmium.osm.NOTHING) as reader:
            header = reader.header()
        box = header.box()
        if header.has_multiple_object_versions:
            raise UserError(f"source.labels={path} is an OSM history file; give an extract of one moment")
        if box.valid() and box.size() != 0.0:
            low, high = box.bottom_left, box.top_right
            # osmium sorts the corners: of a box over the antimeridian, what comes out is the rest of the Earth
            if not 180.0 < high.lon - low.lon < 360.0:
                tally.extent = (low.lon, low.lat, high.lon, high.lat)
        tally.date = header.get("osmosis_replication_timestamp") or _osm_base(path)


def _osm_base(path: Path) -> str | None:
    """Return the time that Overpass writes into ``<meta osm_base=…>`` of its XML, which osmium passes over."""
    if not path.name.lower().endswith((".osm", ".osm.gz", ".osm.bz2")):
        return None
    openers: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}
    try:
        with openers.get(path.suffix.lower(), open)(path, "rb") as file:
            match = _OSM_BASE.search(file.read(4096))
    except (OSError, EOFError, zlib.error):  # damaged: osmium says how when it comes to it
        return None
    return match[1].decode("ascii", "replace") if match else None


def _locations(path: Path, scratch: Path | None) -> str:
    """Name osmium's store of node locations for a file: in memory, or in a file of `scratch` for large ones."""
    if scratch is None or path.stat().st_size < ON_DISK:
        return "flex_mem"
    return f"sparse_file_array,{scratch / 'nodes.bin'}"


def read_osm(path: Path, tally: Tally, scratch: Path | None = None, within: Bounds | None = None) -> Iterator[Feature]:
    """Stream the features that the table of tags knows, the areas that it does not know, and the places.

    Raises:
        UserError: when the file is damaged.
    """
    import osmium

    _header(path, tally)
    wanted = osmium.filter.KeyFilter(*KEYS, *_PLACE_KEYS)
    points = osmium.filter.KeyFilter(*_point_keys()).enable_for(osmium.osm.NODE)
    processor = osmium.FileProcessor(str(path)).with_locations(_locations(path, scratch)).with_areas(wanted)
    batch = Batch(within, tally)
    sorter = Sorter(batch, tally)
    with _explained(path):
        for item in processor.with_filter(points).with_filter(wanted):
            sorter.take(item)
            if batch.full:
                yield from batch.take()
        yield from batch.take()
        for feature in sorter.broken(path, processor.node_location_storage):
            if touch(feature.bounds, within):
                tally.known += 1
                yield feature


def _point_keys() -> tuple[str, ...]:
    """Return the keys under which a node can mean something."""
    return tuple(k for k, values in table().keys.items() if any(e.geometry == "point" for e in values.values()))
