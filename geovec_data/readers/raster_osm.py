"""Reader of georeferenced images with OpenStreetMap features as labels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from geovec_data.errors import UserError, suggest
from geovec_data.georef import NoGeoreference, Placement, place, sidecars
from geovec_data.osm.tags import KEYS, table_hash
from geovec_data.readers._images import check_patterns, wrong_layout
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.readers.osm_coverage import Coverage, footprint_of, require_overlap
from geovec_data.readers.osm_labels import Feature, label_files
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


class RasterOsmOptions(ReaderOptions):
    """Options of the reader `raster_osm`."""

    labels: str = Field(description="labels file, or a folder of them; set by source.labels")
    images: str = Field("**/*", description="which files below source.imagery, as a glob")
    crs: str | None = Field(None, description="CRS of images that do not name theirs (world files), e.g. EPSG:3857")
    keys: tuple[str, ...] = Field(KEYS, description="OSM keys whose features become regions and words")
    default_category: str | None = Field(
        None, description="category of areas that no key fits, e.g. building for footprints that lost their tags"
    )
    size: int = Field(512, ge=16, description="side of the windows that rasters over 1.5 times as large are cut into")
    overlap: int = Field(0, ge=0, description="least overlap of neighbouring windows, pixels")
    bands: tuple[int, ...] | None = Field(
        None,
        description="bands to show as red,green,blue (from 1), or one; null: those marked so, else the first three",
    )
    extent: tuple[float, float, float, float] | None = Field(
        None, description="west,south,east,north in degrees: the area that the labels cover, where the files do not say"
    )
    min_covered: float = Field(0.99, ge=0, le=1, description="least share of an image inside the labels' stated extent")
    min_covered_hull: float = Field(
        0.5, ge=0, le=1, description="the same for labels that state none: share inside the hull of their features"
    )
    max_area: float = Field(1.0, gt=0, description="areas larger than this many images are the setting, not regions")
    completeness: float = Field(
        0.3,
        gt=0,
        le=1,
        description="share of the blocks around an image that must have a kind of thing before a"
        " question may be answered with no, a number or an area",
    )
    min_data: float = Field(0.5, ge=0, le=1, description="least share of an image's pixels that hold data")

    @field_validator("keys")
    @classmethod
    def _known(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if key not in KEYS:
                raise ValueError(f"unknown key '{key}'.{suggest(key, KEYS)}")
        return keys

    @field_validator("bands")
    @classmethod
    def _one_or_three(cls, bands: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if bands is not None and (len(bands) not in (1, 3) or min(bands) < 1):
            raise ValueError("give one band or three, counted from 1")
        return bands

    @model_validator(mode="after")
    def _overlap(self) -> RasterOsmOptions:
        if self.overlap >= self.size:
            raise ValueError(f"overlap={self.overlap} must be less than size={self.size}")
        return self


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

    @property
    def _labels(self) -> Path:
        return Path(self.options.labels)

    def shared(self) -> tuple[Path, ...]:
        """Return the label files."""
        return label_files(self._labels)

    @cached_property
    def _index(self) -> Any:
        from geovec_data.fetch import cache_dir
        from geovec_data.readers.osm_index import open_index

        return open_index(self._labels, cache_dir() / "labels")

    @cached_property
    def _coverage(self) -> Coverage:
        o = self.options
        return Coverage.of(self._index, o.extent, o.min_covered, o.min_covered_hull)

    @cached_property
    def _surveyor(self) -> Any:
        from geovec_data.readers.osm_regions import RegionOptions
        from geovec_data.readers.osm_surveyor import Surveyor

        o = self.options
        wanted = RegionOptions(keys=o.keys, default=o.default_category, max_area=o.max_area)
        return Surveyor(self._index, self._coverage, wanted, o.completeness)

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
        self._check_labels()
        require_overlap((self._located(n) for n in names), self._coverage, self.root, self._labels)
        for name in names:
            yield Entry(name, (name, *sidecars(name)))

    def _check_labels(self) -> None:
        total = {k: sum(f[k] for f in self._index.files) for k in ("features", "known", "not_areas")}
        if not total["features"]:
            raise UserError(
                f"source.labels={self._labels} holds no area: {total['not_areas']} of its features are points or lines"
            )
        if not total["known"] and self.options.default_category is None:
            raise UserError(
                f"source.labels={self._labels}: none of its {total['features']} areas has a tag that names what it is"
                f" (keys: {', '.join(KEYS)}). If you know what they all are, set e.g. reader.default_category=building"
            )

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
            yield self._reject(entry.key, "unreadable_image", str(error))
        except NoGeoreference as error:
            yield self._reject(entry.key, "no_georeference", str(error))

    def _windows(self, name: str, whole: Placement, head: Header) -> Iterator[Scene | Reject]:
        cuts = windows(whole.width, whole.height, self.options.size, self.options.overlap)
        limits = None
        with opened(self.root / name) as raster:
            for window in cuts:
                x0, y0, width, height = window
                key = name if len(cuts) == 1 else f"{name}#{x0},{y0},{x0 + width},{y0 + height}"
                placement = whole.window(*window)
                features = self._index.query(footprint_of(placement).bounds)
                if fault := self._coverage.fault(placement, features):
                    yield self._reject(key, "outside_extract", fault)
                    continue
                if head.masked and (share := has_data(raster, window)) < self.options.min_data:
                    yield self._reject(
                        key, "no_data", f"{share:.0%} of it holds data, min_data={self.options.min_data}"
                    )
                    continue
                data = None
                if len(cuts) > 1 or not head.as_is:
                    if limits is None and not head.eight_bit:
                        limits = stretch(raster, head.bands)
                    data = read_window(raster, window, head.bands, limits)
                for feature in features:
                    if feature.fault and not self._is_setting(feature, placement):
                        yield self._reject(key, "broken_area", f"{feature.name}: {feature.fault}", "region")
                yield from self._scene(key, name, placement, features, data, None if len(cuts) == 1 else window)

    def _is_setting(self, feature: Feature, placement: Placement) -> bool:
        """Tell whether a broken area is so much larger than the image that it could not have been a region of it."""
        west, south, east, north = feature.bounds
        x0, y0, x1, y1 = footprint_of(placement).bounds
        return bool((east - west) * (north - south) > self.options.max_area * (x1 - x0) * (y1 - y0))

    def _scene(
        self,
        key: str,
        name: str,
        placement: Placement,
        features: list[Feature],
        data: bytes | None,
        window: tuple[int, int, int, int] | None,
    ) -> Iterator[Scene | Reject]:
        fields, losses = self._surveyor.look(features, placement)
        for code, detail in losses:
            yield self._reject(key, code, detail, "region")
        lon, lat = placement.center()
        x0, y0, width, height = window or (0, 0, 0, 0)
        yield Scene(
            key=key,
            corpus=self.corpus,
            path=name,
            data=data,
            width=placement.width,
            height=placement.height,
            parent=name,
            window=None if window is None else (float(x0), float(y0), float(x0 + width), float(y0 + height)),
            crs=placement.crs,
            transform=placement.transform,
            footprint=placement.footprint(),
            lon=lon,
            lat=lat,
            gsd=placement.gsd(),
            attributes=self._lineage(placement),
            **fields,
        )

    def _lineage(self, placement: Placement) -> tuple[tuple[str, str], ...]:
        """Return what the labels of an image come from: dates of the map, the tag table, whom to credit."""
        dates = self._index.dates(footprint_of(placement).bounds)
        return (
            *(("osm_date", d) for d in dates),
            ("osm_tag_table", table_hash()),
            ("osm_credit", "© OpenStreetMap contributors, ODbL-1.0"),
        )

    def _reject(self, key: str, code: str, detail: str, level: Any = "scene") -> Reject:
        return Reject(corpus=self.corpus, path=key, stage="read", code=code, detail=detail, level=level)
