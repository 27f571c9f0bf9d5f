"""The rule that compares ground: footprints on the Earth, and windows of one parent image where nothing is located."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data.leaks.found import add_pairs

MIN_OVERLAP = 0.01
"""Share of the smaller footprint that two must share to overlap: tiles that meet at an edge do not."""
METRES_PER_DEGREE = 111_195.0  # mean great-circle degree, R = 6371.0088 km

Ints = NDArray[np.int64]


def footprint(con: duckdb.DuckDBPyConnection, buffer: float, limit: int) -> int:
    """Find images whose ground overlaps, or lies within `buffer` metres (windows: pixels of the parent).

    Returns:
        Images that could not be compared: they have neither a footprint nor a window.
    """
    for sql, space in (
        ("SELECT s.image, s.corpus, s.split, NULL AS space, i.footprint AS shape FROM leak_sides s"
         " JOIN images i ON i.id = s.image WHERE i.footprint IS NOT NULL", "earth"),
        ("SELECT s.image, s.corpus, s.split, i.corpus || chr(31) || i.parent AS space,"
         ' [i."window".x0, i."window".y0, i."window".x1, i."window".y1] AS shape FROM leak_sides s'
         ' JOIN images i ON i.id = s.image WHERE i.footprint IS NULL AND i."window" IS NOT NULL', "parent"),
    ):  # fmt: skip
        table: pa.Table = con.sql(f"{sql} ORDER BY s.image, s.split").to_arrow_table()
        if not table.num_rows:
            continue
        ids, at = distinct(table.column("image"))
        corpora = np.empty(len(ids), dtype=object)
        corpora[at] = table.column("corpus").to_pylist()
        training = np.array(table.column("split").to_pylist()) == "train"
        shapes = table.column("shape").to_pylist()
        if space == "earth":
            one, other = on_earth([bytes(s) for s in shapes], training, buffer)
        else:
            spaces = distinct(table.column("space"))[1]
            one, other = in_parent(np.array(shapes), spaces, training, buffer)
        pairs = np.unique(np.stack([at[one], at[other]]), axis=1)
        pairs = pairs[:, pairs[0] != pairs[1]]
        said = "ground overlaps" + (f" or lies within {buffer:g} {'m' if space == 'earth' else 'px'}" if buffer else "")
        add_pairs(con, "footprint", ids, corpora, (pairs[0], pairs[1], np.ones(pairs.shape[1])), said, limit)
    unplaced: int = con.execute(
        "SELECT count(DISTINCT s.image) FROM leak_sides s JOIN images i ON i.id = s.image"
        ' WHERE i.footprint IS NULL AND i."window" IS NULL'
    ).fetchall()[0][0]
    return unplaced


def distinct(column: pa.ChunkedArray) -> tuple[NDArray[np.object_], Ints]:
    """Return the distinct texts of a column, ascending, and the position of each row's among them."""
    texts, at = np.unique(np.array(column.to_pylist(), dtype=object), return_inverse=True)
    return texts, at


def on_earth(shapes: list[bytes], training: NDArray[np.bool_], buffer: float) -> tuple[Ints, Ints]:
    """Find overlapping footprints: WKB polygons in WGS84 degrees, none of which crosses the antimeridian.

    Args:
        shapes: WKB, one a row.
        training: whether a row is a training image's.
        buffer: metres.

    Returns:
        Rows of training images and of held-out images.
    """
    import shapely

    ground = shapely.from_wkb(np.array(shapes, dtype=object))
    train, held = np.flatnonzero(training), np.flatnonzero(~training)
    x0, y0, x1, y1 = shapely.bounds(ground[held]).T
    tall = buffer / METRES_PER_DEGREE
    wide = tall / np.maximum(np.cos(np.radians(np.minimum(np.maximum(np.abs(y0), np.abs(y1)) + tall, 89.9))), 1e-3)
    grown = shapely.box(x0 - wide, y0 - tall, x1 + wide, y1 + tall)
    found = shapely.STRtree(ground[train]).query(grown)
    one, other = train[found[1]], held[found[0]]
    metres = _metres(ground, one, other), _metres(ground, other, one)
    near = _near(*metres, buffer)
    return one[near], other[near]


def _metres(ground: NDArray[np.object_], rows: Ints, beside: Ints) -> NDArray[np.object_]:
    """Bring polygons to metres on a plane that they share with their partners: true where the pair is."""
    import shapely

    polygons = ground[rows]
    bounds = shapely.bounds(ground)
    middle = (bounds[rows, 1] + bounds[rows, 3] + bounds[beside, 1] + bounds[beside, 3]) / 4
    points, owner = shapely.get_coordinates(polygons, return_index=True)
    scale = np.stack([np.cos(np.radians(middle))[owner], np.ones(len(owner))], axis=1) * METRES_PER_DEGREE
    out: NDArray[np.object_] = shapely.set_coordinates(polygons.copy(), points * scale)
    return out


def in_parent(
    boxes: NDArray[np.float64], spaces: Ints, training: NDArray[np.bool_], buffer: float
) -> tuple[Ints, Ints]:
    """Find overlapping windows of one parent; arguments and result as in `on_earth`, boxes and buffer in pixels.

    Each parent gets a strip of the plane to itself, so that one index serves all.
    """
    import shapely

    train, held = np.flatnonzero(training), np.flatnonzero(~training)
    apart = float(boxes.max()) + buffer + 1.0
    moved = boxes + (spaces * 2 * apart)[:, None] * np.array([1.0, 0.0, 1.0, 0.0])
    grown = moved[held] + buffer * np.array([-1.0, -1.0, 1.0, 1.0])
    found = shapely.STRtree(shapely.box(*moved[train].T)).query(shapely.box(*grown.T))
    one, other = train[found[1]], held[found[0]]
    near = _near(shapely.box(*moved[one].T), shapely.box(*moved[other].T), buffer)
    return one[near], other[near]


def _near(one: NDArray[np.object_], other: NDArray[np.object_], buffer: float) -> NDArray[np.bool_]:
    import shapely

    shared = shapely.area(shapely.intersection(one, other))
    near: NDArray[np.bool_] = shared > MIN_OVERLAP * np.minimum(shapely.area(one), shapely.area(other))
    return near | (shapely.distance(one, other) < buffer) if buffer else near
