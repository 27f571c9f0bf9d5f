"""From features on the map to regions and things in an image: projected to pixels, cut at its edge, measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from geovec_data.osm.labels.feature import Feature
from geovec_data.osm.survey import VAGUE, Thing
from geovec_data.osm.tag_table import Entry
from geovec_data.osm.tags import meaning_of, unknown_tags, width_of
from geovec_data.rasters.georef import Placement
from geovec_data.records import Box, Region

_DIGITS = 3  # thousandths of a pixel: finer differs between PROJ builds, and bytes must not
LINE_FILL = 0.4  # a line or a piece of ground is a region only where it fills so much of its box, which else shows more
RIM = 0.6  # of a line's width that must be in the image


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOptions:
    """What becomes a region.

    Attributes:
        keys: tag keys that are wanted.
        default: category of areas that the table does not know; None leaves them out.
        max_area: areas larger than this many images are its setting, not regions in it.
        min_side: pixels; things whose box is narrower are not told from it.
    """

    keys: tuple[str, ...]
    default: str | None = None
    max_area: float = 1.0
    min_side: float = 10.0


@dataclass(slots=True)
class Found:
    """What a map has in an image.

    Attributes:
        regions: of areas, and of lines that fill their box; see `survey_of`.
        things: all that the image can show.
        unknown: (feature, its ``key=value``) that the table of tags does not know.
        blurred: (feature, its category) that cannot be told at the image's ground sample distance, or is too small.
    """

    regions: list[Region] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    blurred: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Part:
    """A feature's part inside the image, shapely, in pixels; of a line its width, too."""

    feature: Feature
    entry: Entry
    form: Literal["area", "line", "point"]
    inside: Any
    visible: float
    width: float = 0.0


def survey_of(features: Iterable[Feature], placement: Placement, options: RegionOptions, seen: Any = None) -> Found:
    """Make the regions and things of an image.

    A region's ``box`` and ``polygon`` bound the part inside the image (of several parts, the box all and the polygon
    the largest; holes are not kept), ``visible`` is that part's share of the whole area, holes and parts outside
    taken into account; ``lon``, ``lat`` is the centre of the box. Lines of one name that touch are joined first, as
    a way ends wherever a tag changes. A line makes a region where it fills `LINE_FILL` of its box, as ground must.
    Points make none, nor do paths and pedestrian streets, whose width is a guess.

    Args:
        features: those whose bounds touch the image, geometry in WGS84 (lon, lat); without geometry: passed over.
        placement: where the image lies.
        options: what is wanted.
        seen: shapely area, in pixels, of the image that holds data: things elsewhere are not seen; None: all of it.
    """
    import shapely

    frame = shapely.box(0, 0, placement.width, placement.height) if seen is None else seen
    gsd, found, lines = placement.gsd(), Found(), []
    for feature in features:
        if feature.geometry is None:
            continue
        entry = entry_for(feature, options)
        unknown = () if entry is not None else unknown_tags(feature.tags)
        if entry is None and not unknown:
            continue
        shape = shapely.transform(feature.geometry, placement.to_pixels)
        if not shape.is_valid:  # a vertex moved across an edge by rounding
            shape = shapely.make_valid(shape)
        inside = shapely.intersection(shape, frame)
        if inside.area == 0.0:
            continue
        if entry is None:
            found.unknown += [(feature.name, tag) for tag in unknown]
        elif (entry := told_at(gsd, told := entry)) is None:
            found.blurred.append((feature.name, told.name))
        elif feature.form == "line":
            lines.append(_Part(feature, entry, "line", inside, 1.0))
        else:
            part = _Part(feature, entry, feature.form, inside, min(inside.area / shape.area, 1.0))
            thing = _thing(part, frame.area, gsd, options.min_side)
            found.things.append(thing)
            if thing.whole < entry.least:
                found.blurred.append((feature.name, f"{entry.name} of {thing.whole:.0f} m²"))
            elif feature.form == "area" and shape.area <= options.max_area * frame.area and _fills(part):
                found.regions.append(_region(part, placement))
    for part in _joined(lines, gsd):
        found.things.append(_thing(part, frame.area, gsd, options.min_side))
        if not VAGUE & set(part.entry.label) and _fills(part):
            found.regions.append(_region(part, placement))
    return found


def entry_for(feature: Feature, options: RegionOptions) -> Entry | None:
    """Return how a feature reads; an area that the table does not know is of the default category, if there is one."""
    meaning = meaning_of(feature.tags, options.keys, feature.asked_form)
    if meaning is not None:
        return meaning.entry
    if options.default is None or feature.form != "area":
        return None
    from geovec_data.osm.tag_table import table

    return table().nouns.get(options.default) or Entry.model_construct(name=options.default, gsd=30.0)


def _fills(part: _Part) -> bool:
    """Whether it fills enough of its box, or is a building; of a line, whether not only its rim is in the image."""
    x0, y0, x1, y1 = part.inside.bounds
    if part.form == "line" and min(x1 - x0, y1 - y0) < RIM * part.width:
        return False
    return "building" in part.entry.label or part.inside.area >= LINE_FILL * (x1 - x0) * (y1 - y0)


def told_at(gsd: float, entry: Entry) -> Entry | None:
    """Return the entry, or of its ancestors the nearest, that can be told at a ground sample distance in metres."""
    from geovec_data.osm.tag_table import table

    nouns = table().nouns
    broader = (nouns[a] for a in entry.of if a in nouns and nouns[a].geometry == entry.geometry)
    return next((e for e in (entry, *broader) if gsd <= e.gsd), None)


def _joined(lines: list[_Part], gsd: float) -> Iterator[_Part]:
    """Join the lines of one name that touch; the longest gives the whole its identity."""
    import shapely

    names = sorted({p.entry.name for p in lines})
    for name in names:
        own = [p for p in lines if p.entry.name == name]
        for piece in shapely.get_parts(shapely.union_all([p.inside for p in own])):
            if piece.geom_type != "Polygon":
                continue
            members = [p for p in own if p.inside.intersects(piece)]
            first = max(members, key=lambda p: (p.inside.area, -(p.feature.osm_id or 0)))
            yield _Part(first.feature, first.entry, "line", piece, 1.0, width_of(first.entry, first.feature.tags) / gsd)


def _thing(part: _Part, frame_area: float, gsd: float, min_side: float) -> Thing:
    x0, y0, x1, y1 = (float(v) for v in part.inside.bounds)
    area = float(part.inside.area)
    across = 2.0 if part.form == "line" else min_side  # a line is told by its length
    return Thing(
        entry=part.entry,
        form=part.form,
        share=area / frame_area,
        visible=part.visible,
        box=(x0, y0, x1, y1),
        whole=area / part.visible * gsd**2,
        seen=area * gsd**2,
        sure=min(x1 - x0, y1 - y0) >= across and area / part.visible * gsd**2 >= part.entry.least,
        shape=part.inside,
    )


def _region(part: _Part, placement: Placement) -> Region:
    import shapely

    feature, inside = part.feature, part.inside
    x0, y0, x1, y1 = (round(float(v), _DIGITS) for v in inside.bounds)
    parts = [g for g in shapely.get_parts(inside) if g.geom_type == "Polygon"]
    largest = shapely.normalize(max(parts, key=lambda g: float(g.area)))
    ring = shapely.get_coordinates(largest.exterior)[:-1]
    center = placement.to_lonlat(np.array([[(x0 + x1) / 2, (y0 + y1) / 2]]))[0]
    box: Box = (x0, y0, x1, y1)
    return Region(
        box=box,
        category=part.entry.name,
        polygon=tuple(round(float(v), _DIGITS) for v in ring.reshape(-1)),
        ancestors=part.entry.of,
        visible=round(part.visible, 6),
        osm_type=feature.osm_type,
        osm_id=feature.osm_id,
        tags=feature.tags | ({"@version": str(feature.version)} if feature.version else {}),
        lon=round(float(center[0]), 7),
        lat=round(float(center[1]), 7),
    )
