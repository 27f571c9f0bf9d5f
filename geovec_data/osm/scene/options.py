"""Options of the reader of imagery with OpenStreetMap labels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from geovec_data.errors import suggest
from geovec_data.osm.tags import KEYS
from geovec_data.readers.base import ReaderOptions


class RasterOsmOptions(ReaderOptions):
    """Options of the reader `raster_osm`."""

    labels: str = Field(description="labels file, or a folder of them; set by source.labels")
    images: str = Field("**/*", description="which files below source.imagery, as a glob")
    files: tuple[str, ...] | None = Field(None, description="which files, one by one; set by a list in source.imagery")
    crs: str | None = Field(None, description="CRS of images that do not name theirs (world files), e.g. EPSG:3857")
    keys: tuple[str, ...] = Field(KEYS, description="OSM keys whose features become regions and words")
    default_category: str | None = Field(
        None, description="category of areas that no key fits, e.g. building for footprints that lost their tags"
    )
    size: int = Field(
        512, ge=16, le=8192, description="side of the chips that rasters over 1.5 times as large are cut into, pixels"
    )
    overlap: int = Field(0, ge=0, description="least overlap of neighbouring chips, in their pixels")
    gsd: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="metres on the ground that a pixel of a chip is to span; finer than the image's own is refused;"
        " null: the image's own pixels",
    )
    bands: tuple[int, ...] | None = Field(
        None,
        description="bands to show as red,green,blue (from 1), or one; null: those marked or named so, else the first"
        " three",
    )
    extent: tuple[float, float, float, float] | None = Field(
        None,
        description="west,south,east,north in degrees: the area that the labels cover, where the files do not say or"
        " where it is enough; of a country's file only what lies there is indexed",
    )
    date: str | None = Field(
        None, description="date of the map, e.g. 2024-05-29, where the label files do not say; kept with every image"
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
    complete: tuple[str, ...] = Field(
        (),
        description="OSM keys that you know to be mapped completely within the labels' extent, e.g. [building]. What"
        " the map lacks of them is not there: questions are answered with no, a number or an area, and compositions and"
        " expressions that count are made. Each image keeps it as stated, not measured; other keys are judged as by"
        " default",
    )
    align: Literal["off", "report", "apply"] = Field(
        "apply",
        description="offset between footprints and imagery: not estimated, only kept in the record, or labels moved by"
        " it; where it cannot be told for sure they stay where the map has them",
    )
    min_data: float = Field(0.5, ge=0, le=1, description="least share of an image's pixels that hold data")

    @field_validator("keys", "complete")
    @classmethod
    def _known(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if key not in KEYS:
                raise ValueError(f"unknown key '{key}'.{suggest(key, KEYS)}")
        return keys

    @field_validator("extent")
    @classmethod
    def _on_earth(cls, extent: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if extent is not None:
            west, south, east, north = extent
            if max(abs(west), abs(east)) > 180 or not -90 <= south < north <= 90 or west == east:
                raise ValueError("give west,south,east,north in degrees (west > east: over the antimeridian)")
        return extent

    @field_validator("bands")
    @classmethod
    def _one_or_three(cls, bands: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if bands is not None and (len(bands) not in (1, 3) or min(bands) < 1):
            raise ValueError("give one band or three, counted from 1")
        return bands

    @model_validator(mode="after")
    def _consistent(self) -> RasterOsmOptions:
        if unused := set(self.complete) - set(self.keys):
            raise ValueError(f"complete={sorted(unused)}: these are not among keys={list(self.keys)}")
        if self.overlap >= self.size:
            raise ValueError(f"overlap={self.overlap} must be less than size={self.size}")
        return self
