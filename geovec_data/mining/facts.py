"""What the dataset's tables say of images and boxes, as columns: where they lie, how they look, what they are."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geovec_data.dataset import Dataset
from geovec_data.geometry.geo import distance_m
from geovec_data.mining.classes import Classes
from geovec_data.mining.items import NONE, Ints, Items

Reals = NDArray[np.float64]
_COLUMNS = [
    "id", "width", "height", "phash", "corpus", "parent", "origin", "window", "scene_class", "labels", "footprint",
    "lon", "lat", "gsd",
]  # fmt: skip
_TELLING_BITS = 8  # a flat image's hash has one bit set, a photograph's about 32


class Facts:
    """Columns by image (in the numbering of `Items.image`) and by item.

    Args:
        dataset: where the tables are.
        items: its items' columns.
    """

    def __init__(self, dataset: Dataset, items: Items) -> None:
        self._dataset = dataset
        self.items = items

    @cached_property
    def _images(self) -> pa.Table:
        """The rows of the images that items show, in their numbering."""
        table = self._dataset.read("images", _COLUMNS).combine_chunks()
        return table.take(pc.index_in(self.items.image_ids, value_set=table["id"].combine_chunks()))

    def _floats(self, name: str) -> Reals:
        column = pc.cast(self._images[name].combine_chunks(), pa.float64())
        return np.asarray(pc.fill_null(column, np.nan))

    def _codes(self, *names: str) -> Ints:
        joined = pc.binary_join_element_wise(*(self._images[n] for n in names), "\x1f")
        indices = joined.combine_chunks().dictionary_encode().indices
        return np.asarray(pc.fill_null(indices, NONE)).astype(np.int64)

    @cached_property
    def hash(self) -> NDArray[np.uint64]:
        """Perceptual hash of each image; 0 for one that is too flat to tell."""
        text = "".join(self._images["phash"].to_pylist())
        out = np.frombuffer(bytes.fromhex(text), ">u8").astype(np.uint64)
        out[np.bitwise_count(out) < _TELLING_BITS] = 0
        return out

    @cached_property
    def corpus(self) -> Ints:
        """Number of each image's corpus."""
        return self._codes("corpus")

    @cached_property
    def origin(self) -> Ints:
        """Number of the published image that each image is or was cut from."""
        return self._codes("origin")

    @cached_property
    def origins_shared(self) -> bool:
        """Whether any two images are of one origin."""
        return len(np.unique(self.origin)) < len(self.origin)

    @cached_property
    def parent(self) -> Ints:
        """Number of each image's parent."""
        return self._codes("corpus", "parent")

    @cached_property
    def window(self) -> Reals:
        """Pixel window in the parent, x0, y0, x1, y1, shape (images, 4); NaN where there is none."""
        column = self._images["window"].combine_chunks()
        sides = [pc.fill_null(pc.struct_field(column, n), np.nan) for n in ("x0", "y0", "x1", "y1")]
        return np.stack([np.asarray(s, np.float64) for s in sides], axis=1)

    @cached_property
    def bounds(self) -> Reals:
        """West, south, east, north of each footprint, degrees WGS84, shape (images, 4); NaN where there is none."""
        return bounds_of(self._images["footprint"].to_pylist())

    @cached_property
    def on_ground(self) -> bool:
        """Whether any image has a footprint or a window."""
        return bool(np.isfinite(self.bounds).any() or np.isfinite(self.window).any())

    @cached_property
    def placed(self) -> bool:
        """Whether any item has a place."""
        return bool(np.isfinite(self.place).any())

    @cached_property
    def place(self) -> Reals:
        """Longitude and latitude of each item, degrees: its own, else its image's; shape (items, 2); NaN: none."""
        image = self.items.image
        centre = np.stack([self._floats("lon"), self._floats("lat")], axis=1)
        out = np.full((len(image), 2), np.nan)
        out[image != NONE] = centre[image[image != NONE]]
        own = self.items.coordinate
        stated = ~np.isnan(own[:, 0])
        out[stated] = own[stated]
        return out

    @cached_property
    def reach(self) -> Reals:
        """Half the diagonal of each image on the ground, metres: of its footprint, else by its pixels' size; or 0."""
        west, south, east, north = self.bounds.T
        known = np.isfinite(west)
        out = self._floats("gsd") * np.hypot(self._floats("width"), self._floats("height")) / 2
        out[known] = distance_m(west[known], south[known], east[known], north[known]) / 2
        return np.nan_to_num(out)

    @cached_property
    def _regions(self) -> pa.Table:
        table = self._dataset.read("regions", ["id", "category", "ancestors", "osm_type", "osm_id"]).combine_chunks()
        return table.append_column("osm", pc.binary_join_element_wise(
            table["osm_type"], pc.cast(table["osm_id"], pa.string()), "/"
        ))  # fmt: skip

    @cached_property
    def _region(self) -> Ints:
        """Row of the region that each item shows, or -1."""
        found = pc.index_in(self.items.region_ids, value_set=self._regions["id"].combine_chunks())
        return np.asarray(pc.fill_null(found, NONE)).astype(np.int64)

    @cached_property
    def osm(self) -> Ints:
        """Number of the OSM object that each item shows, or -1."""
        column = self._regions["osm"].combine_chunks()
        if not len(column):
            return np.full(len(self.items.ids), NONE, np.int64)
        codes = np.asarray(pc.fill_null(column.dictionary_encode().indices, NONE)).astype(np.int64)
        return np.where(self._region == NONE, NONE, codes[self._region])

    @cached_property
    def classes(self) -> Classes:
        """The dataset's classes and what is broader than what."""
        names = self._regions["category"].to_pylist()
        broader: dict[str, set[str]] = {}
        for name, many in zip(names, self._regions["ancestors"].to_pylist(), strict=True):
            broader.setdefault(name, set()).update(many)
        return Classes(broader)

    @cached_property
    def item_class(self) -> Ints:
        """Class of what each item shows: of the box, else of the whole image; -1: unknown, or it shows nothing.

        An image of several labels has the class of all of them together, so that only an equal set is the same.
        """
        code = self.classes.code
        both = zip(self._images["scene_class"].to_pylist(), self._images["labels"].to_pylist(), strict=True)
        of_image = np.array([code(one or " ".join(sorted(many))) for one, many in both], np.int64)
        boxed, image = self.items.boxed, self.items.image
        out = np.full(len(image), NONE, np.int64)
        whole = np.flatnonzero((image != NONE) & ~boxed)
        out[whole] = of_image[image[whole]]
        of_region = np.array([code(name) for name in self._regions["category"].to_pylist()], np.int64)
        named = np.flatnonzero(boxed & (self._region != NONE))
        out[named] = of_region[self._region[named]]
        return out


def bounds_of(footprints: list[bytes | None]) -> Reals:
    """Return west, south, east, north of WKB polygons; NaN for None and for anything but a polygon.

    Little-endian WKB, as the readers write it: byte order, type 3, number of rings, points of the outer ring.
    """
    out = np.full((len(footprints), 4), np.nan)
    by_points: dict[int, list[int]] = {}
    for row, shape in enumerate(footprints):
        if shape is not None and shape[:5] == b"\x01\x03\x00\x00\x00":
            by_points.setdefault(int.from_bytes(shape[9:13], "little"), []).append(row)
    for count, rows in by_points.items():
        ring = b"".join((footprints[r] or b"")[13 : 13 + 16 * count] for r in rows)
        points = np.frombuffer(ring, "<f8").reshape(len(rows), count, 2)
        if count:
            out[rows] = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    return out
