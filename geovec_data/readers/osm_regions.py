"""From areas on the map to regions in an image: projected to pixels, cut at the image's edge, measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from geovec_data.georef import Placement
from geovec_data.readers.osm_categories import Label, label_of
from geovec_data.readers.osm_labels import Feature
from geovec_data.records import Box, Region

_DIGITS = 3  # thousandths of a pixel: finer differs between PROJ builds, and bytes must not


def label_for(feature: Feature, keys: tuple[str, ...], default: str | None) -> Label | None:
    """Return the category and ancestors of a feature; `default` for those the table does not know."""
    return label_of(feature.tags, keys, feature.osm_type == "way") or ((default,) if default else None)


def regions_of(
    features: Iterable[Feature], placement: Placement, keys: tuple[str, ...], default: str | None, max_area: float
) -> tuple[Region, ...]:
    """Make the regions of an image.

    Args:
        features: areas whose bounds touch the image, geometry in WGS84 (lon, lat); without geometry: passed over.
        placement: where the image lies.
        keys: tag keys that make a region.
        default: category of features that no key fits; None leaves them out.
        max_area: features larger than this many image areas are its setting, not regions in it, and are left out.

    Returns:
        Regions that share area with the image. ``box`` and ``polygon`` bound the part inside the image (of several
        parts, the box all and the polygon the largest; holes are not kept), ``visible`` is that part's share of
        the whole area, holes and parts outside taken into account; ``lon``, ``lat`` is the centre of the box.
    """
    import shapely

    frame = shapely.box(0, 0, placement.width, placement.height)
    regions = []
    for feature in features:
        label = label_for(feature, keys, default)
        if feature.geometry is None or label is None:
            continue
        shape = shapely.transform(feature.geometry, placement.to_pixels)
        if not shape.is_valid:  # a vertex moved across an edge by rounding
            shape = shapely.make_valid(shape)
        inside = shapely.intersection(shape, frame)
        if inside.area == 0.0 or shape.area > max_area * frame.area:
            continue
        regions.append(_region(feature, label, inside, inside.area / shape.area, placement))
    return tuple(regions)


def _region(feature: Feature, label: Label, inside: Any, visible: float, placement: Placement) -> Region:
    import shapely

    x0, y0, x1, y1 = (round(float(v), _DIGITS) for v in inside.bounds)
    parts = [g for g in shapely.get_parts(inside) if g.geom_type == "Polygon"]
    largest = shapely.normalize(max(parts, key=lambda g: float(g.area)))
    ring = shapely.get_coordinates(largest.exterior)[:-1]
    center = placement.to_lonlat(np.array([[(x0 + x1) / 2, (y0 + y1) / 2]]))[0]
    box: Box = (x0, y0, x1, y1)
    return Region(
        box=box,
        category=label[0],
        polygon=tuple(round(float(v), _DIGITS) for v in ring.reshape(-1)),
        ancestors=label[1:],
        visible=round(min(visible, 1.0), 6),
        osm_type=feature.osm_type,
        osm_id=feature.osm_id,
        tags=feature.tags | ({"@version": str(feature.version)} if feature.version else {}),
        lon=round(float(center[0]), 7),
        lat=round(float(center[1]), 7),
    )
