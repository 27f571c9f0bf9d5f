"""From a chip that knows where it lies to its scene: the map's features in it, and where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from geovec_data.errors import UserError
from geovec_data.osm.labels.coverage import Coverage, footprint_of
from geovec_data.osm.labels.feature import Feature
from geovec_data.osm.scene.options import RasterOsmOptions
from geovec_data.osm.tag_table import table_hash
from geovec_data.osm.tags import KEYS
from geovec_data.rasters.georef import Placement
from geovec_data.records import Box, Reject, Scene


@dataclass(frozen=True, slots=True)
class Chip:
    """An image, or a window of one, with its place.

    Attributes:
        key: of the scene.
        path: source-relative posix path of the image file.
        placement: where it lies.
        window: its pixels in the file; None: all of it.
        data: encoded image; None: the file's own bytes.
        attributes: facts about how it was made.
        seen: shapely area of its pixels that hold data; None: all of it.
        drawn: where it lies on the map, if not at `placement`: labels are drawn there, the record keeps `placement`.
        thumb: see `Scene.thumb`.
    """

    key: str
    path: str
    placement: Placement
    window: Box | None = None
    data: bytes | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    seen: Any = None
    drawn: Placement | None = None
    thumb: bytes = b""


class OsmScenes:
    """Makes the scenes of one map's labels. Constructed once in a process; the labels are opened when first asked for.

    Args:
        options: of the reader.
        corpus: recipe name.
    """

    def __init__(self, options: RasterOsmOptions, corpus: str) -> None:
        self._options = options
        self._corpus = corpus

    @property
    def labels(self) -> Path:
        """The labels file or folder."""
        return Path(self._options.labels)

    @cached_property
    def index(self) -> Any:
        """The `LabelIndex`."""
        from geovec_data.osm.labels.index import open_index
        from geovec_data.sources.fetch import cache_dir

        return open_index(self.labels, cache_dir() / "labels", self._options.extent)

    @cached_property
    def coverage(self) -> Coverage:
        """The area that the labels cover."""
        o = self._options
        return Coverage.of(self.index, o.extent, o.min_covered, o.min_covered_hull)

    @cached_property
    def _surveyor(self) -> Any:
        from geovec_data.osm.scene.regions import RegionOptions
        from geovec_data.osm.scene.surveyor import Surveyor

        o = self._options
        wanted = RegionOptions(keys=o.keys, default=o.default_category, max_area=o.max_area)
        return Surveyor(self.index, self.coverage, wanted, o.completeness, o.complete)

    def require_labels(self) -> None:
        """Check that the labels can label something.

        Raises:
            UserError: when they hold no area, or none whose tags say what it is.
        """
        total = {k: sum(f[k] for f in self.index.files) for k in ("features", "known", "not_areas")}
        if not total["features"]:
            where = "" if self._options.extent is None else f" in reader.extent={list(self._options.extent)}"
            points = f"{total['not_areas']} of its features are points or lines" if total["not_areas"] else ""
            empty = "it is empty, or has nothing of the kinds that become labels. Is it the right extract?"
            raise UserError(f"source.labels={self.labels} holds no area{where}: {points or empty}")
        if not total["known"] and self._options.default_category is None:
            raise UserError(
                f"source.labels={self.labels}: none of its {total['features']} areas has a tag that names what it is"
                f" (keys: {', '.join(KEYS)}). If you know what they all are, set e.g. reader.default_category=building"
            )

    def features(self, placement: Placement) -> list[Feature]:
        """Return the features whose bounds touch an image."""
        found: list[Feature] = self.index.query(footprint_of(placement).bounds)
        return found

    def buildings(self, placement: Placement) -> Iterator[Feature]:
        """Yield the footprints of buildings whose bounds touch an image, whatever keys are wanted."""
        from geovec_data.osm.scene.regions import RegionOptions, entry_for

        wanted = RegionOptions(keys=KEYS, default=self._options.default_category)
        for feature in self.features(placement):
            if feature.form == "area" and feature.geometry is not None:
                entry = entry_for(feature, wanted)
                if entry is not None and "building" in entry.label:
                    yield feature

    def scene(self, chip: Chip, features: Sequence[Feature]) -> Iterator[Scene | Reject]:
        """Make the scene of a chip that the labels cover, after what the map loses there.

        Args:
            chip: the image and its place.
            features: those whose bounds touch it.
        """
        placement, drawn = chip.placement, chip.drawn or chip.placement
        if drawn != placement:
            features = self.features(drawn)
        for feature in features:
            if feature.fault and not self._is_setting(feature, drawn):
                yield self.reject(chip.key, "broken_area", f"{feature.name}: {feature.fault}", "region")
        fields, losses = self._surveyor.look(features, drawn, chip.seen)
        stated = fields.pop("attributes")
        for code, detail in losses:
            yield self.reject(chip.key, code, detail, "region")
        lon, lat = placement.center()
        yield Scene(
            key=chip.key,
            corpus=self._corpus,
            path=chip.path,
            data=chip.data,
            thumb=chip.thumb,
            width=placement.width,
            height=placement.height,
            parent=chip.path,
            window=chip.window,
            crs=placement.crs,
            transform=placement.transform,
            footprint=placement.footprint(),
            lon=lon,
            lat=lat,
            gsd=placement.gsd(),
            attributes=(*self._lineage(placement), *chip.attributes, *stated),
            **fields,
        )

    def _is_setting(self, feature: Feature, placement: Placement) -> bool:
        """Tell whether a broken area is so much larger than the image that it could not have been a region of it."""
        west, south, east, north = feature.bounds
        x0, y0, x1, y1 = footprint_of(placement).bounds
        return bool((east - west) * (north - south) > self._options.max_area * (x1 - x0) * (y1 - y0))

    def _lineage(self, placement: Placement) -> tuple[tuple[str, str], ...]:
        """Return what the labels of an image come from: dates of the map, the tag table, whom to credit."""
        own = () if self._options.date is None else (self._options.date,)
        dates = self.index.dates(footprint_of(placement).bounds) or own or ("unknown",)
        return (
            *(("osm_date", d) for d in dates),
            ("osm_tag_table", table_hash()),
            ("osm_credit", "© OpenStreetMap contributors, ODbL-1.0"),
        )

    def reject(self, key: str, code: str, detail: str, level: Any = "scene") -> Reject:
        """Build a reject of the stage ``read``."""
        return Reject(corpus=self._corpus, path=key, stage="read", code=code, detail=detail, level=level)
