"""OSM data files (``.osm``, ``.osm.bz2``, ``.osm.gz``, ``.osm.pbf``), streamed with pyosmium.

Closed ways and multipolygon relations become areas, holes included. An area that should be there and cannot be
assembled (its ring crosses itself, a member lies outside the extract) is given as a feature with a fault, so that
nobody takes its place for empty ground. Node locations, 16 bytes a node, lie on disk for files over `ON_DISK` bytes.
"""

from __future__ import annotations

import bz2
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geovec_data.errors import UserError
from geovec_data.readers.osm_categories import KEYS, label_of
from geovec_data.readers.osm_labels import Bounds, Feature, Tally

ON_DISK = 64 * 2**20  # of the file: about 10 million nodes, 160 MB of locations
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
        if not box.valid() or box.size() == 0.0:
            tally.extent = None
        else:
            low, high = box.bottom_left, box.top_right
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


def read_osm(path: Path, tally: Tally, scratch: Path | None = None) -> Iterator[Feature]:
    """Stream the areas whose tags the category table knows.

    Raises:
        UserError: when the file is damaged.
    """
    import osmium

    _header(path, tally)
    osm, flt = osmium.osm, osmium.filter
    wkb = osmium.geom.WKBFactory()
    processor = (
        osmium.FileProcessor(str(path))
        .with_locations(_locations(path, scratch))
        .with_areas(flt.KeyFilter(*KEYS))
        .with_filter(flt.EntityFilter(osm.WAY | osm.RELATION | osm.AREA))
        .with_filter(flt.KeyFilter(*KEYS))
    )
    # What should become an area and has not yet. osmium hands out areas in batches, so an area can come before or
    # after the way or relation it is made of.
    ways: dict[int, Feature] = {}
    relations: dict[int, tuple[Feature, tuple[int, ...]]] = {}
    assembled: set[tuple[bool, int]] = set()
    with _explained(path):
        for item in processor:
            is_way = item.from_way() if item.is_area() else item.is_way()
            tags = dict(item.tags)
            if label_of(tags, KEYS, is_way) is None:
                continue
            if item.is_area():
                if item.num_rings()[0] == 0:  # osmium's sign for "could not be assembled"
                    continue
                if (ways if is_way else relations).pop(item.orig_id(), None) is None:
                    assembled.add((is_way, item.orig_id()))
                yield _area(wkb.create_multipolygon(item), item, tags, is_way)
            elif (is_way, item.id) in assembled:
                assembled.remove((is_way, item.id))
            elif is_way and item.is_closed() and tags.get("area") != "no":
                ways[item.id] = _missing(item, tags, _way_bounds(item.nodes))
            elif not is_way and tags.get("type") in ("multipolygon", "boundary"):
                members = tuple(m.ref for m in item.members if m.type == "w")
                relations[item.id] = (_missing(item, tags, None), members)
        yield from _broken(path, scratch, ways, relations, tally)


def _area(wkb_hex: str, item: Any, tags: dict[str, str], is_way: bool) -> Feature:
    import shapely

    geometry: Any = shapely.from_wkb(wkb_hex)
    if len(geometry.geoms) == 1:
        geometry = geometry.geoms[0]
    return Feature(
        geometry=geometry,
        tags=tags,
        osm_type="way" if is_way else "relation",
        osm_id=item.orig_id(),
        version=item.version,
        bounds=geometry.bounds,
    )


def _missing(item: Any, tags: dict[str, str], bounds: Bounds | None) -> Feature:
    return Feature(
        geometry=None,
        tags=tags,
        osm_type="way" if item.is_way() else "relation",
        osm_id=item.id,
        version=item.version,
        bounds=bounds or (0.0, 0.0, 0.0, 0.0),
        fault="its rings do not close into an area: it crosses itself, or part of it lies outside the extract",
    )


def _way_bounds(nodes: Iterable[Any]) -> Bounds | None:
    places = [(n.lon, n.lat) for n in nodes if n.location.valid()]
    if not places:
        return None
    lons, lats = zip(*places, strict=True)
    return min(lons), min(lats), max(lons), max(lats)


def _broken(
    path: Path,
    scratch: Path | None,
    ways: dict[int, Feature],
    relations: dict[int, tuple[Feature, tuple[int, ...]]],
    tally: Tally,
) -> Iterator[Feature]:
    """Yield what never became an area, each with the bounds of as much of it as the file holds."""
    from dataclasses import replace

    import osmium

    members = {way for _, refs in relations.values() for way in refs}
    bounds: dict[int, Bounds] = {}
    if members:
        ways_only = osmium.filter.EntityFilter(osmium.osm.WAY)
        processor = osmium.FileProcessor(str(path)).with_locations(_locations(path, scratch)).with_filter(ways_only)
        for way in processor.with_filter(osmium.filter.IdFilter(members)):
            if (place := _way_bounds(way.nodes)) is not None:
                bounds[way.id] = place
    for feature in ways.values():
        if feature.bounds == (0.0, 0.0, 0.0, 0.0):
            tally.broken_without_place += 1
        else:
            yield feature
    for feature, refs in relations.values():
        known = [bounds[r] for r in refs if r in bounds]
        if not known:
            tally.broken_without_place += 1
            continue
        west, south, east, north = zip(*known, strict=True)
        yield replace(feature, bounds=(min(west), min(south), max(east), max(north)))
