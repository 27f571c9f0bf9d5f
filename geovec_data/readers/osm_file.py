"""OSM data files (``.osm``, ``.osm.bz2``, ``.osm.gz``, ``.osm.pbf``), streamed with pyosmium.

Closed ways and multipolygon relations become areas, holes included; ways and nodes that the table of tags knows as
lines and points are given their width on the ground. An area that should be there and cannot be
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
from geovec_data.osm.places import place_of
from geovec_data.osm.tags import KEYS, Form, meaning_of, unknown_tags, width_of
from geovec_data.readers.osm_labels import Bounds, Feature, Tally, widened

_PLACE_KEYS = ("boundary", "place")

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
    """Stream the features that the table of tags knows, the areas that it does not know, and the places.

    Raises:
        UserError: when the file is damaged.
    """
    import osmium

    _header(path, tally)
    flt = osmium.filter
    wkb = osmium.geom.WKBFactory()
    wanted = flt.KeyFilter(*KEYS, *_PLACE_KEYS)
    processor = (
        osmium.FileProcessor(str(path)).with_locations(_locations(path, scratch)).with_areas(wanted).with_filter(wanted)
    )
    # What should become an area and has not yet. osmium hands out areas in batches, so an area can come before or
    # after the way or relation it is made of.
    ways: dict[int, Feature] = {}
    relations: dict[int, tuple[Feature, tuple[int, ...]]] = {}
    assembled: set[tuple[bool, int]] = set()
    with _explained(path):
        for item in processor:
            tags = dict(item.tags)
            if item.is_node():
                yield from _drawn("point", [(item.lon, item.lat)], item, tags)
                continue
            is_way = item.from_way() if item.is_area() else item.is_way()
            known = meaning_of(tags, KEYS, "ring" if is_way else "area") is not None
            if item.is_area():
                if item.num_rings()[0] == 0:  # osmium's sign for "could not be assembled"
                    continue
                if known and (ways if is_way else relations).pop(item.orig_id(), None) is None:
                    assembled.add((is_way, item.orig_id()))
                if known or place_of(tags) or unknown_tags(tags):
                    yield _area(wkb.create_multipolygon(item), item, tags, is_way)
                continue
            tally.unknown.update(unknown_tags(tags))
            if not known:
                if is_way:
                    yield from _drawn("line", [(n.lon, n.lat) for n in item.nodes if n.location.valid()], item, tags)
            elif (is_way, item.id) in assembled:
                assembled.remove((is_way, item.id))
            elif is_way and item.is_closed() and tags.get("area") != "no":
                ways[item.id] = _missing(item, tags, _way_bounds(item.nodes))
            elif is_way:
                yield from _drawn("line", [(n.lon, n.lat) for n in item.nodes if n.location.valid()], item, tags)
            elif tags.get("type") in ("multipolygon", "boundary"):
                members = tuple(m.ref for m in item.members if m.type == "w")
                relations[item.id] = (_missing(item, tags, None), members)
        yield from _broken(path, scratch, ways, relations, tally)


def _drawn(form: Form, points: list[tuple[float, float]], item: Any, tags: dict[str, str]) -> Iterator[Feature]:
    """Yield a line or a point as an area, where the table knows it and its nodes are known."""
    import shapely

    meaning = meaning_of(tags, KEYS, form)
    if meaning is None or len(points) < (1 if form == "point" else 2):
        return
    shape = shapely.Point(points[0]) if form == "point" else shapely.LineString(points)
    geometry = widened(shape, width_of(meaning.entry, tags))
    if geometry is not None:
        yield Feature(
            geometry=geometry,
            tags=tags,
            osm_type="node" if form == "point" else "way",
            osm_id=item.id,
            version=item.version,
            bounds=geometry.bounds,
            form="point" if form == "point" else "line",
        )


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
