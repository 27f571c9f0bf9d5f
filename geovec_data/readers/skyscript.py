"""SkyScript: a table of captions, and beside each image a file that tells where and when it was taken."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field

from geovec_data.readers._cells import BadCell, box_ring, number, tags
from geovec_data.readers.base import Entry
from geovec_data.readers.table import Table, TableOptions
from geovec_data.records import Reject, Scene
from geovec_data.untrusted import images
from geovec_data.untrusted.plain_pickle import NotPlain, loads

# what the two letters in a file name stand for, in Google Earth Engine: SkyScript's image_sources.py
_SOURCES = ("US", "DE", "FI", "CH", "ES", "P3", "P5", "S2", "L8", "L9")
_FILE_NAME = re.compile(rf"[awn]\d+_({'|'.join(_SOURCES)})_(\d\d)")
_METRES_PER_DEGREE = 111_195.0
_MOST_BYTES = 1 << 26


class SkyScriptOptions(TableOptions):
    """Options of the reader `skyscript`: those of `table`."""

    meta: bool = Field(True, description="read meta2/….pickle beside images2/….jpg: box, time and tags")


class SkyScript(Table):
    """Reads SkyScript's CSV files and, where they were downloaded, its meta files.

    A file name such as ``a198234555_CH_19.jpg`` tells the OSM object in focus, the source of the image and the year.
    The meta file adds the box ``(west, south, east, north)``, the minute and the tags of the object, which become
    attributes; the tags of the objects around it are in the second caption only. Meta files are pickles: they are read
    as plain values and never unpickled. An image without one keeps its captions and year and has no place.
    """

    name = "skyscript"
    layout = """\
<root>/
  SkyScript_train_….csv           filepath, title, title_multi_objects; also _val_ and _test_; may lie in dataframe/
  images2/a198234555_CH_19.jpg    … images7
  meta2/a198234555_CH_19.pickle   … meta7; without them the images have no place"""
    Options = SkyScriptOptions
    options: SkyScriptOptions

    def image_files(self, path: str) -> tuple[str, ...]:
        """List the meta file beside the image, so that a changed one redoes it."""
        files = super().image_files(path)
        return (*files, _meta_path(path)) if files and self.options.meta else files

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn rows into a scene with its place and time; see `Reader.read`."""
        for scene in super().read(entry):
            yield self._placed(scene) if isinstance(scene, Scene) else scene

    def _placed(self, scene: Scene) -> Scene | Reject:
        if found := _FILE_NAME.fullmatch(PurePosixPath(scene.path).stem):
            scene = replace(scene, captured=f"20{found[2]}", attributes=(*scene.attributes, ("source", found[1])))
        path = _meta_path(scene.path)
        if not self.options.meta or not images.is_inside(path) or not (self.root / path).exists():
            return scene
        try:
            meta = loads(images.read_bytes(self.root, path, _MOST_BYTES))
            return self._with_meta(scene, meta)
        except images.BadImage as bad:
            code, detail = bad.code, bad.detail
        except BadCell as bad:
            code, detail = bad.code, bad.detail
        except NotPlain as bad:
            code, detail = "bad_annotation", f"no plain pickle: {bad}"
        return Reject(corpus=self.corpus, path=scene.key, stage="read", code=code, detail=f"{path}: {detail}")

    def _with_meta(self, scene: Scene, meta: Any) -> Scene:
        if not isinstance(meta, dict):
            raise BadCell("bad_annotation", f"no mapping but {type(meta).__name__}")
        sides = meta.get("box")
        if not isinstance(sides, (tuple, list)) or len(sides) != 4:
            raise BadCell("bad_coordinate", f"box of {type(sides).__name__} is no four numbers")
        west, south, east, north = (number(v, "box") or 0.0 for v in sides)
        data, gsd = self._resolution(scene, (west, south, east, north))
        return replace(
            scene,
            footprint=box_ring(west, south, east, north),
            lon=(west + east) / 2,
            lat=(south + north) / 2,
            captured=_moment(meta.get("time")) or scene.captured,
            attributes=(*scene.attributes, *tags(meta.get("center_tags"), "center_tags")),
            data=data,
            gsd=gsd,
        )

    def _resolution(self, scene: Scene, box: tuple[float, ...]) -> tuple[bytes | None, float | None]:
        """Return the image's bytes and its metres per pixel, the mean of both directions; None for no image."""
        west, south, east, north = box
        try:
            data = images.read_bytes(self.root, scene.path, _MOST_BYTES)
            width, height = images.open_image(data, 2**28).size
        except images.BadImage:  # the checks say what is wrong with it
            return None, None
        across = (east - west) * math.cos(math.radians((south + north) / 2)) * _METRES_PER_DEGREE / width
        return data, round((across + (north - south) * _METRES_PER_DEGREE / height) / 2, 3) or None


def _meta_path(path: str) -> str:
    return PurePosixPath(re.sub(r"(^|/)images(\d*/)", r"\1meta\2", path, count=1)).with_suffix(".pickle").as_posix()


def _moment(value: Any) -> str | None:
    """Return ``(year, month, day, hour, minute)`` in ISO 8601.

    Raises:
        BadCell: when it is something else.
    """
    if value is None:
        return None
    parts = list(value) if isinstance(value, (tuple, list)) else []
    if len(parts) != 5 or not all(isinstance(p, int) and 0 <= p <= 9999 for p in parts):
        raise BadCell("bad_annotation", f"time {value!r:.60} is no (year, month, day, hour, minute)")
    return "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}".format(*parts)
