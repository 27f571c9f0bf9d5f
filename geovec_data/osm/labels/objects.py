"""What the objects of an OSM file are: areas, lines and points that the table of tags knows, and broken areas."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from geovec_data.osm.labels.batch import Batch, Row
from geovec_data.osm.labels.feature import Bounds, Feature, Tally
from geovec_data.osm.places import place_of
from geovec_data.osm.tags import KEYS, meaning_of, unknown_tags, width_of

_FAULT = "its rings do not close into an area: it crosses itself, or part of it lies outside the extract"


class Tags:
    """Reads objects' tags. To ask for the keys of the last object with as many tags costs less than to list them.

    Where they are listed, they are counted and not listed to their end: to say that it is there costs osmium most.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[str, ...]] = {}  # number of tags → keys

    def __call__(self, tags: Any) -> dict[str, str]:
        """Return osmium's list of tags as a dictionary."""
        count, get = len(tags), tags.get
        out: dict[str, str] = {}
        for key in self._last.get(count, ()):
            value = get(key)
            if value is None:
                break
            out[key] = value
        if len(out) < count:  # else these are all
            out = dict(islice(iter(tags), count))
            if len(out) == count:  # no key stands twice
                self._last[count] = tuple(out)
        return out


class Sorter:
    """Tells what each object is: a row of the batch, or an area that is still to come.

    osmium hands out areas in batches, so an area can come before or after the way or relation that it is made of.
    """

    def __init__(self, batch: Batch, tally: Tally) -> None:
        import osmium

        self._add = batch.add
        self._tags = Tags()
        self._tally = tally
        self._wkb = osmium.geom.WKBFactory()
        self._no_place: type[Exception] = osmium.InvalidLocationError
        self._by_type = {
            osmium.osm.Node: self._node,
            osmium.osm.Way: self._way,
            osmium.osm.Relation: self._relation,
            osmium.osm.Area: self._area,
        }
        self._ways: dict[int, Row] = {}  # what should become an area and has not yet
        self._relations: dict[int, tuple[Feature, tuple[int, ...]]] = {}
        self._assembled: set[tuple[bool, int]] = set()

    def take(self, item: Any) -> None:
        """Sort one object in."""
        self._by_type[type(item)](item)

    def _node(self, item: Any) -> None:
        tags = self._tags(item.tags)
        meaning = meaning_of(tags, KEYS, "point")
        if meaning is not None and item.location.valid():
            width = width_of(meaning.entry, tags)
            self._add(Row(self._wkb.create_point(item), tags, "node", item.id, item.version, "point", width))

    def _way(self, item: Any) -> None:
        tags = self._tags(item.tags)
        if unknown := unknown_tags(tags):
            self._tally.unknown.update(unknown)
        if item.is_closed() and tags.get("area") != "no" and meaning_of(tags, KEYS, "ring") is not None:
            if (True, item.id) in self._assembled:
                self._assembled.remove((True, item.id))
            else:
                self._ways[item.id] = Row("", tags, "way", item.id, item.version)
            return
        meaning = meaning_of(tags, KEYS, "line")
        if meaning is not None and (line := self._line(item)):
            self._add(Row(line, tags, "way", item.id, item.version, "line", width_of(meaning.entry, tags)))

    def _line(self, way: Any) -> str:
        """The way as WKB, as far as its nodes are known; empty where none is."""
        try:
            return str(self._wkb.create_linestring(way))
        except (RuntimeError, self._no_place):  # it has less than two places, or a node is not in the file
            import shapely

            places = [(n.lon, n.lat) for n in way.nodes if n.location.valid()]
            return str(shapely.to_wkb(shapely.LineString([places[0], *places]), hex=True)) if places else ""

    def _relation(self, item: Any) -> None:
        tags = self._tags(item.tags)
        if unknown := unknown_tags(tags):
            self._tally.unknown.update(unknown)
        if meaning_of(tags, KEYS, "area") is None:
            return
        if (False, item.id) in self._assembled:
            self._assembled.remove((False, item.id))
        elif tags.get("type") in ("multipolygon", "boundary"):
            members = tuple(m.ref for m in item.members if m.type == "w")
            self._relations[item.id] = Feature(None, tags, "relation", item.id, item.version, fault=_FAULT), members

    def _area(self, item: Any) -> None:
        if item.num_rings()[0] == 0:  # osmium's sign for "could not be assembled"
            return
        is_way, id_ = item.from_way(), item.orig_id()
        row = self._ways.pop(id_, None) if is_way else None
        if row is not None:
            self._add(row._replace(wkb=self._wkb.create_multipolygon(item)))
            return
        tags = self._tags(item.tags)
        known = meaning_of(tags, KEYS, "ring" if is_way else "area") is not None
        if known and (is_way or self._relations.pop(id_, None) is None):
            self._assembled.add((is_way, id_))
        if known or place_of(tags) or unknown_tags(tags):
            wkb = self._wkb.create_multipolygon(item)
            self._add(Row(wkb, tags, "way" if is_way else "relation", id_, item.version, known=known))

    def broken(self, path: Path, locations: Any) -> Iterator[Feature]:
        """Yield what never became an area, each with the bounds of as much of it as the file holds."""
        members = {way for _, refs in self._relations.values() for way in refs}.union(self._ways)
        places = self._bounds_of(path, members, locations) if members else {}
        for row in self._ways.values():
            if row.osm_id in places:
                yield Feature(None, row.tags, "way", row.osm_id, row.version, places[row.osm_id], _FAULT)
            else:
                self._tally.broken_without_place += 1
        for feature, refs in self._relations.values():
            known = [places[r] for r in refs if r in places]
            if not known:
                self._tally.broken_without_place += 1
                continue
            west, south, east, north = zip(*known, strict=True)
            yield feature._replace(bounds=(min(west), min(south), max(east), max(north)))

    def _bounds_of(self, path: Path, ways: set[int], locations: Any) -> dict[int, Bounds]:
        """Return the bounds of ways, as far as their nodes are known, by id; the nodes are not read again."""
        import osmium
        import shapely

        placed = osmium.NodeLocationsForWays(locations)
        placed.ignore_errors()
        # named, as the iterator does not keep its handlers alive; the filter first: of other ways no node is looked up
        chosen = osmium.filter.IdFilter(ways)
        with osmium.io.Reader(str(path), osmium.osm.WAY) as reader:
            lines = {way.id: self._line(way) for way in osmium.OsmFileIterator(reader, chosen, placed)}
        known = {id_: unhexlify(line) for id_, line in lines.items() if line}
        boxes = shapely.bounds(shapely.from_wkb([*known.values()])).tolist()
        return {id_: (box[0], box[1], box[2], box[3]) for id_, box in zip(known, boxes, strict=True)}
