"""Reader of georeferenced images with OpenStreetMap features as labels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from geovec_data.errors import UserError
from geovec_data.georef import NoGeoreference, Placement, place, sidecars
from geovec_data.osm.tags import table_hash
from geovec_data.readers._images import check_patterns, wrong_layout
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.readers.osm_coverage import require_overlap
from geovec_data.readers.osm_labels import label_files
from geovec_data.readers.osm_options import RasterOsmOptions
from geovec_data.readers.osm_scenes import Chip, OsmScenes
from geovec_data.readers.raster_windows import (
    Header,
    Unreadable,
    has_data,
    header,
    opened,
    read_window,
    stretch,
    windows,
)
from geovec_data.records import Reject, Scene

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2")


class RasterOsm(Reader):
    """Images that know where they lie, and the OSM areas that lie there.

    An image outside the area that the labels cover is rejected: nothing drawn there does not mean nothing there.
    """

    name: ClassVar[str] = "raster_osm"
    layout: ClassVar[str] = (
        "<source.imagery>/        any folders of .tif .tiff .png .jpg .jp2, georeferenced by one of\n"
        "    a.tif                GeoTIFF tags in the file\n"
        "    b.tif b.tif.aux.xml  GDAL sidecar\n"
        "    c.png c.pgw          world file (.pgw .tfw .jgw .wld; CRS from c.prj or reader.crs=EPSG:…)\n"
        "    19/386690/220241.png slippy tile z/x/y, or OAM-x-y-z.png\n"
        "<source.labels>          .osm .osm.bz2 .osm.pbf .geojson .gpkg .parquet, or a folder of such files"
    )
    Options: ClassVar[type[ReaderOptions]] = RasterOsmOptions
    options: RasterOsmOptions

    @cached_property
    def _scenes(self) -> OsmScenes:
        return OsmScenes(self.options, self.corpus)

    def shared(self) -> tuple[Path, ...]:
        """Return the label files."""
        return label_files(self._scenes.labels)

    @classmethod
    def knowledge(cls) -> str:
        """Return the hash of the table of tags."""
        return table_hash()

    def entries(self) -> Iterator[Entry]:
        """List the images.

        Raises:
            UserError: when there are no images or no labels, none is georeferenced, or the two do not overlap.
        """
        check_patterns("reader.images", (self.options.images,))
        if not self.root.is_dir():
            raise UserError(f"source.imagery={self.root} is not a folder. Expected:\n{self.layout}")
        names = sorted(
            p.relative_to(self.root).as_posix()
            for p in self.root.glob(self.options.images)
            if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()
        )
        if not names:
            raise wrong_layout(self.root, f"image ({' '.join(SUFFIXES)}) matching '{self.options.images}'", self.layout)
        self._scenes.require_labels()
        require_overlap((self._located(n) for n in names), self._scenes.coverage, self.root, self._scenes.labels)
        for name in names:
            yield Entry(name, (name, *sidecars(name)))

    def _located(self, name: str) -> Placement | str:
        try:
            return self._place(name)[0]
        except (NoGeoreference, Unreadable) as error:
            return f"{name}: {error}"

    def _place(self, name: str) -> tuple[Placement, Header]:
        path = self.root / name
        with opened(path) as raster:
            head = header(raster, self.options.bands)
        return place(path, name, head.embedded, self.options.crs, tile_names=True), head

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Read one image: a scene, or one for each window of a large raster."""
        try:
            placement, head = self._place(entry.key)
            yield from self._windows(entry.key, placement, head)
        except Unreadable as error:
            yield self._scenes.reject(entry.key, "unreadable_image", str(error))
        except NoGeoreference as error:
            yield self._scenes.reject(entry.key, "no_georeference", str(error))

    def _windows(self, name: str, whole: Placement, head: Header) -> Iterator[Scene | Reject]:
        cuts = windows(whole.width, whole.height, self.options.size, self.options.overlap)
        limits = None
        with opened(self.root / name) as raster:
            for window in cuts:
                x0, y0, width, height = window
                key = name if len(cuts) == 1 else f"{name}#{x0},{y0},{x0 + width},{y0 + height}"
                placement = whole.window(*window)
                features = self._scenes.features(placement)
                if fault := self._scenes.coverage.fault(placement, features):
                    yield self._scenes.reject(key, "outside_extract", fault)
                    continue
                if head.masked and (share := has_data(raster, window)) < self.options.min_data:
                    detail = f"{share:.0%} of it holds data, min_data={self.options.min_data}"
                    yield self._scenes.reject(key, "no_data", detail)
                    continue
                data = None
                if len(cuts) > 1 or not head.as_is:
                    if limits is None and not head.eight_bit:
                        limits = stretch(raster, head.bands)
                    data = read_window(raster, window, head.bands, limits)
                cut = None if len(cuts) == 1 else (float(x0), float(y0), float(x0 + width), float(y0 + height))
                yield from self._scenes.scene(Chip(key, name, placement, cut, data), features)
