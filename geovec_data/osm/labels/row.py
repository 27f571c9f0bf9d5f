"""A row of somebody's export of OSM (GeoJSON, GeoPackage, GeoParquet): identity, tags and geometry from its columns.

The identity columns of the common exporters are understood: ``osm_type`` + ``osm_id`` (HOT, fAIr; ``ways_poly``
of its raw-data API), ``@id`` or the feature id ``way/123`` (overpass-turbo, osmtogeojson), ``osm_way_id`` (GDAL),
``element`` + ``id`` (OSMnx). Tags are the columns with text; a column ``tags`` or ``other_tags`` is unpacked.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, cast

from geovec_data.errors import UserError
from geovec_data.osm.labels.antimeridian import crosses, wrapped
from geovec_data.osm.labels.feature import Bounds, Feature, Tally, touch
from geovec_data.osm.labels.shapes import padded, polygonal
from geovec_data.osm.tags import KEYS, meaning_of, unknown_tags, width_of
from geovec_data.records import OsmType

_ID = re.compile(r"^(node|way|relation)s?/(\d+)$")
_HSTORE = re.compile(r'"((?:[^"\\]|\\.)*)"=>"((?:[^"\\]|\\.)*)"')
_IDENTITY = frozenset(
    ("osm_id", "osm_type", "osm_way_id", "osmid", "id", "@id", "@type", "element", "element_type", "fid", "feature_id")
)
_FORMS: dict[str, Literal["line", "point"]] = {"LineString": "line", "MultiLineString": "line", "Point": "point"}
_MARGIN = 0.002  # degrees: more than half of the widest line
_META = frozenset(("tags", "other_tags", "changeset", "timestamp", "version", "uid", "user", "@version", "@timestamp"))


def row_feature(
    geometry: Any, properties: dict[str, Any], tally: Tally, crs: str, where: str, within: Bounds | None = None
) -> Feature | None:
    """Make a feature of an exporter's row, or None when it is nothing (counted in `tally`) or lies elsewhere.

    Args:
        geometry: shapely geometry in `crs`, or None.
        properties: the row's other columns.
        tally: what is counted on the way.
        crs: as pyproj understands it.
        where: the row, for messages.
        within: bounds that it must touch.

    Raises:
        UserError: when the CRS is unknown, or the coordinates are not in it.
    """
    import numpy as np
    import shapely

    tags = _tags(properties)
    tally.unknown.update(unknown_tags(tags))
    form: Literal["area", "line", "point"] = "area"
    if geometry is not None:
        form = _FORMS.get(geometry.geom_type, "area")
    meaning = None if form == "area" or geometry.is_empty else meaning_of(tags, KEYS, form)
    if meaning is None:
        form, geometry = "area", polygonal(geometry, tally)
    if geometry is None or (form == "line" and geometry.length == 0.0):
        return None
    transform = to_degrees(crs, where)
    geometry = shapely.force_2d(geometry)
    if transform is not None:
        geometry = shapely.transform(geometry, lambda p: np.column_stack(transform.transform(p[:, 0], p[:, 1])))
    if _near_earth(geometry.bounds) and crosses(geometry):
        geometry = wrapped(geometry)
    west, south, east, north = bounds = geometry.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise UserError(
            f"{where}: {west:.6g}, {south:.6g} is no longitude, latitude; the file's CRS is not what it says ({crs})"
        )
    width = width_of(meaning.entry, tags) if meaning is not None else None
    if width is not None:
        bounds = tuple(padded(np.array([bounds]), np.array([width]))[0].tolist())
    if not touch(bounds, within):
        return None
    osm_type, osm_id = _identity(properties)
    feature = Feature(
        geometry=geometry,
        tags=tags,
        osm_type=osm_type,
        osm_id=osm_id,
        version=next((n for k in ("version", "@version") if (n := _integer(properties.get(k))) is not None), 0),
        bounds=bounds,
        form=form,
        width=width,
    )
    tally.known += meaning is not None or meaning_of(tags, KEYS, feature.asked_form) is not None
    return feature


def _near_earth(bounds: Bounds) -> bool:
    """Tell whether coordinates are degrees, if of a neighbouring turn; metres of a projection are mostly more."""
    west, south, east, north = bounds
    return -360.0 <= west <= east <= 360.0 and -90.0 <= south <= north <= 90.0


def bounds_in(within: Bounds, crs: str, where: str) -> Bounds:
    """Return bounds in a file's CRS that hold what lies within bounds in degrees, and lines that reach into them.

    Raises:
        UserError: when the CRS is unknown.
    """
    west, south, east, north = within
    if west > east:  # over the antimeridian: the rows that come too many are left out one by one
        west, east = -180.0, 180.0
    west, south = max(west - _MARGIN, -180.0), max(south - _MARGIN, -90.0)
    wide = west, south, min(east + _MARGIN, 180.0), min(north + _MARGIN, 90.0)
    transform = to_degrees(crs, where)
    if transform is None:
        return wide
    out: Bounds = transform.transform_bounds(*wide, direction="INVERSE")
    return out


def to_degrees(crs: str, where: str) -> Any:
    """Return the transformer from a CRS to (lon, lat), or None where it is that already.

    Raises:
        UserError: when the CRS is unknown.
    """
    from pyproj import CRS, Transformer
    from pyproj.exceptions import CRSError

    if crs in _CACHE:
        return _CACHE[crs]
    try:
        source = CRS.from_user_input(crs)
    except CRSError as error:
        raise UserError(f"source.labels={where}: the CRS '{crs[:60]}' is not understood ({error})") from error
    same = source.to_authority() in (("OGC", "CRS84"), ("EPSG", "4326"))
    _CACHE[crs] = None if same else Transformer.from_crs(source, "OGC:CRS84", always_xy=True)
    return _CACHE[crs]


_CACHE: dict[str, Any] = {}


def _identity(properties: dict[str, Any]) -> tuple[OsmType | None, int | None]:
    for key in ("@id", "id", "osm_id", "feature_id"):
        match = _ID.match(str(properties.get(key) or ""))
        if match:
            return cast(OsmType, match[1]), int(match[2])
    if (way := _integer(properties.get("osm_way_id"))) is not None:  # GDAL: osm_id is then the relation's, or null
        return "way", way
    kind = str(next((properties[k] for k in ("osm_type", "element", "element_type", "@type") if properties.get(k)), ""))
    number = next((n for k in ("osm_id", "osmid", "id") if (n := _integer(properties.get(k))) is not None), None)
    osm_type = next((t for t in ("node", "way", "relation") if kind.lower().startswith(t)), None)
    if osm_type is None and "osm_way_id" in properties and number is not None:
        osm_type = "relation"
    return cast("OsmType | None", osm_type), number


def _integer(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):  # None, text, or the NaN of an empty number column
        return None


def _tags(properties: dict[str, Any]) -> dict[str, str]:
    packed: Any = properties.get("tags") or properties.get("other_tags")
    if isinstance(packed, str):
        packed = _unpack(packed)
    if not isinstance(packed, dict):
        packed = {}
    own = {k: v for k, v in properties.items() if k not in _IDENTITY and k not in _META}
    # OSM tags are text; numbers and booleans are the exporter's own columns (a class label, an area)
    return {k: v for k, v in sorted({**own, **packed}.items()) if isinstance(v, str) and v}


def _unpack(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            data = json.loads(text)
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}
    pairs = ((m[1], m[2]) for m in _HSTORE.finditer(text))
    return {k.replace('\\"', '"'): v.replace('\\"', '"') for k, v in pairs}
