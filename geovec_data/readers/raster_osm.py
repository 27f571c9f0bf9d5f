"""Reader of georeferenced images with OpenStreetMap features as labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from geovec_data.errors import UserError
from geovec_data.osm.labels.coverage import require_overlap
from geovec_data.osm.labels.label_files import label_files
from geovec_data.osm.scene.alignment import Aligner, Shot, drawn_at, facts_of
from geovec_data.osm.scene.neighbours import windows_around, with_neighbours
from geovec_data.osm.scene.options import RasterOsmOptions
from geovec_data.osm.scene.scenes import Chip, OsmScenes
from geovec_data.osm.tag_table import table_hash
from geovec_data.rasters.file import Header, header, opened, readable
from geovec_data.rasters.formats import SUFFIXES, TooLarge, Unreadable, mask_file
from geovec_data.rasters.georef import NoGeoreference, Placement, place
from geovec_data.rasters.grid import Row, TooCoarse, Window, rows
from geovec_data.rasters.imagery import Imagery, windows_of
from geovec_data.rasters.mask import mask_beside
from geovec_data.rasters.pictures import Pictures
from geovec_data.readers._images import check_patterns, wrong_layout
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Reject, Scene
from geovec_data.untrusted.images import BadImage, confine


class RasterOsm(Reader):
    """Images that know where they lie, and the OSM areas that lie there.

    An image outside the area that the labels cover is rejected: nothing drawn there does not mean nothing there.
    """

    name: ClassVar[str] = "raster_osm"
    layout: ClassVar[str] = (
        "<source.imagery>         a folder, one file, a text file with one path a line, or a list\n"
        "    any folders of .tif .tiff .png .jpg .jp2 .vrt, georeferenced by one of\n"
        "    a.tif                GeoTIFF tags in the file\n"
        "    b.tif b.tif.aux.xml  GDAL sidecar\n"
        "    c.png c.pgw          world file (.pgw .tfw .jgw .wld; CRS from c.prj or reader.crs=EPSG:…)\n"
        "    19/386690/220241.png slippy tile z/x/y, or OAM-x-y-z.png\n"
        "    a.tif.msk            which pixels hold data, where the file itself does not say; .ovr is not read\n"
        "    d.vrt                mosaic of image files in the same folder or below; they are not read besides\n"
        "<source.labels>          .osm .osm.bz2 .osm.gz .osm.pbf .geojson .gpkg .parquet, or a folder of such files;\n"
        "                         or place:<name>, bbox:<west>,<south>,<east>,<north>: fetched and kept"
    )
    Options: ClassVar[type[ReaderOptions]] = RasterOsmOptions
    modules: ClassVar[tuple[str, ...]] = (
        "geovec_data.readers.raster_osm",
        "geovec_data.osm.labels.index",
        "geovec_data.osm.scene.surveyor",
        "pyproj",
        "rasterio.windows",
    )
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

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures(self.options.min_data)

    @cached_property
    def _imagery(self) -> Imagery:
        return Imagery(self.root, self.options.files, self.options.images)

    @cached_property
    def _aligner(self) -> Aligner:
        return Aligner(self._open, self._scenes.buildings)

    @contextmanager
    def _open(self, name: str) -> Iterator[Any]:
        """Open a raster; one that is open already is used again, with what GDAL has decoded of it."""
        if name in self._opened:
            with readable(name):
                yield self._opened[name]
            return
        with opened(confine(self.root, name), self.root) as raster:
            self._opened[name] = raster
            try:
                yield raster
            finally:
                del self._opened[name]

    @cached_property
    def _opened(self) -> dict[str, Any]:
        return {}

    def entries(self) -> Iterator[Entry]:
        """List the images; of a large raster, its rows of windows.

        Raises:
            UserError: when there are no images or no labels, no image can be used, or the two do not overlap.
        """
        check_patterns("reader.images", (self.options.images,))
        if not self.root.is_dir():
            raise UserError(f"source.imagery={self.root} is not a folder. Expected:\n{self.layout}")
        if not self._imagery.names:
            raise wrong_layout(self.root, f"image ({' '.join(SUFFIXES)}) matching '{self.options.images}'", self.layout)
        self._scenes.require_labels()
        located = (self._located(n) for n in self._imagery.names)
        require_overlap(located, self._scenes.coverage, self.root, self._scenes.labels)
        found = self._imagery.entries(self._divided)
        yield from found if self.options.align == "off" else with_neighbours(found, self._whole)

    def _located(self, name: str) -> Placement | str:
        try:
            placement, _ = self._place(name)
            self._rows(placement)
        except (NoGeoreference, Unreadable, TooCoarse, BadImage) as error:
            return f"{name}: {error}"
        return placement

    def _whole(self, name: str) -> Placement | None:
        """Place an image that is one chip."""
        try:
            placement, _ = self._place(name)
            return placement if len(self._rows(placement)) == 1 == len(self._rows(placement)[0].starts) else None
        except (NoGeoreference, Unreadable, TooCoarse, BadImage):
            return None

    def _divided(self, name: str) -> tuple[tuple[Row, ...], bool]:
        try:
            placement, head = self._place(name)
            return self._rows(placement), head.sequential
        except (NoGeoreference, Unreadable, TooCoarse, BadImage):
            return (), False  # told when it is read

    def _rows(self, placement: Placement) -> tuple[Row, ...]:
        o = self.options
        return rows(placement, o.size, o.overlap, o.gsd)

    def _place(self, name: str) -> tuple[Placement, Header]:
        path = confine(self.root, name)
        mask = mask_beside(path) and confine(self.root, mask_file(name))
        with opened(path, self.root) as raster:
            head = header(raster, self.options.bands, mask)
        return place(path, name, head.embedded, self.options.crs, tile_names=True), head

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Read one image, or one row of windows of a large raster: a scene for each window."""
        part = entry.payload or {"raster": entry.key}
        try:
            placement, head = self._place(part["raster"])
            with self._open(part["raster"]) as raster:
                for window in windows_of(self._rows(placement), part):
                    yield from self._chip(part, raster, head, placement, window)
        except (NoGeoreference, Unreadable, TooCoarse, BadImage) as error:
            yield self._scenes.reject(entry.key, _code(error), str(error))

    def _chip(
        self, part: Mapping[str, Any], raster: Any, head: Header, whole: Placement, window: Window
    ) -> Iterator[Scene | Reject]:
        name: str = part["raster"]
        x0, y0, width, height = window.cut
        single = (width, height) == (whole.width, whole.height)
        key = name if single else f"{name}#{x0},{y0},{x0 + width},{y0 + height}"
        placement = whole.window(*window.cut).resized(window.width, window.height)
        if placement.crosses():
            west, east = ((f(placement.footprint()[::2]) + 180.0) % 360.0 - 180.0 for f in (min, max))
            yield self._scenes.reject(
                key,
                "antimeridian",
                f"it lies across the antimeridian, from longitude {west:.5f} to {east:.5f}: its footprint would be two"
                " polygons; other windows of the image are not refused for it",
            )
            return
        features = self._scenes.features(placement)
        if fault := self._scenes.coverage.fault(placement, features):
            yield self._scenes.reject(key, "outside_extract", fault)
            return
        try:
            picture = self._pictures.of(name, raster, head, whole, window)
            drawn, facts = self._aligned(part, head, whole, window, placement)
        except (Unreadable, BadImage) as error:
            yield self._scenes.reject(key, _code(error), str(error))
            return
        cut = None if single else (float(x0), float(y0), float(x0 + width), float(y0 + height))
        made = (*picture.attributes, *facts)
        chip = Chip(key, name, placement, cut, picture.data, made, picture.seen, drawn, picture.thumb)
        yield from self._scenes.scene(chip, features)

    def _aligned(
        self, part: Mapping[str, Any], head: Header, whole: Placement, window: Window, placement: Placement
    ) -> tuple[Placement | None, tuple[tuple[str, str], ...]]:
        """Return where the labels of a chip are drawn, if not where it lies, and what is kept of the estimate."""
        if self.options.align == "off":
            return None, ()
        shot = _shot(part["raster"], head, whole, window)
        found = self._aligner.estimate(shot, lambda: self._around(part, head, whole, window))
        moves = self.options.align == "apply" and found.fault is None
        return drawn_at(found, placement) if moves else None, facts_of(found, placement, moves)

    def _around(self, part: Mapping[str, Any], head: Header, whole: Placement, window: Window) -> Iterator[Shot]:
        for other in windows_around(window, self._rows(whole), whole):
            yield _shot(part["raster"], head, whole, other)
        for name in part.get("around", ()):
            with suppress(NoGeoreference, Unreadable, BadImage):  # told when it is read itself
                placement, own = self._place(name)
                cut = (0, 0, placement.width, placement.height)
                yield _shot(name, own, placement, Window(cut, placement.width, placement.height))


def _shot(name: str, head: Header, whole: Placement, window: Window) -> Shot:
    return Shot(name, window.cut, whole.window(*window.cut), head.bands, head.masked, head.mask)


def _code(error: Exception) -> str:
    """Name the reason for a reject."""
    if isinstance(error, BadImage):
        return error.code
    codes = {NoGeoreference: "no_georeference", TooCoarse: "too_coarse", TooLarge: "too_large"}
    return codes.get(type(error), "unreadable_image")
