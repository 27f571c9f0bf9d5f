"""OSM objects on their way to becoming features: geometry is decoded and measured for many at once."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from geovec_data.osm.labels.antimeridian import crosses, wrapped
from geovec_data.osm.labels.feature import Bounds, Feature, Tally, touch
from geovec_data.osm.labels.shapes import padded
from geovec_data.records import OsmType

ROWS = 4096


class Row(NamedTuple):
    """One object.

    Attributes:
        wkb: geometry as osmium writes it, hexadecimal.
        tags: OSM tags.
        osm_type: of the object.
        osm_id: of the object.
        version: of the object.
        form: what the geometry is.
        width: metres on the ground, of a line or a point.
        known: whether the table of tags knows it.
    """

    wkb: str
    tags: dict[str, str]
    osm_type: OsmType
    osm_id: int
    version: int
    form: Literal["area", "line", "point"] = "area"
    width: float | None = None
    known: bool = True


class Batch:
    """Collects rows and makes features of them.

    Args:
        within: only features whose bounds touch these come out; None: all.
        tally: what it knows is counted in.
    """

    def __init__(self, within: Bounds | None, tally: Tally) -> None:
        self._within = within
        self._tally = tally
        self._rows: list[Row] = []
        self.add = self._rows.append

    @property
    def full(self) -> bool:
        """Whether it is time to `take`."""
        return len(self._rows) >= ROWS

    def take(self) -> Iterator[Feature]:
        """Yield the features of the rows and forget them."""
        import shapely

        rows = self._rows[:]
        self._rows.clear()
        if not rows:
            return
        geometries: Any = shapely.from_wkb([unhexlify(r.wkb) for r in rows])  # reads bytes five times as fast as digits
        single = (shapely.get_type_id(geometries) == shapely.GeometryType.MULTIPOLYGON) & (
            shapely.get_num_geometries(geometries) == 1
        )
        geometries[single] = shapely.get_geometry(geometries[single], 0)
        bounds = shapely.bounds(geometries)
        for i in np.flatnonzero(bounds[:, 2] - bounds[:, 0] > 180.0):
            if crosses(geometries[i]):
                geometries[i] = wrapped(geometries[i])
                bounds[i] = geometries[i].bounds
        drawn = np.array([r.width is not None for r in rows])
        bounds[drawn] = padded(bounds[drawn], np.array([r.width for r in rows if r.width is not None]))
        empty = drawn & (shapely.get_dimensions(geometries) == 1) & (shapely.length(geometries) == 0.0)
        for row, geometry, box, nothing in zip(rows, geometries, map(tuple, bounds.tolist()), empty, strict=True):
            if not nothing and touch(box, self._within):
                self._tally.known += row.known
                yield Feature(geometry, row.tags, row.osm_type, row.osm_id, row.version, box, None, row.form, row.width)
