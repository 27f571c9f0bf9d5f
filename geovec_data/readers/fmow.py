"""Functional Map of the World: images of places through time, each with a JSON file of boxes, time and position."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field

from geovec_data.countries import COUNTRIES
from geovec_data.errors import UserError
from geovec_data.readers._images import check_patterns, wrong_layout
from geovec_data.readers._names import in_words
from geovec_data.readers._wkt import centre_of, crosses_antimeridian, ring_of
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Region, Reject, Scene
from geovec_data.untrusted.images import BadImage, confine, is_inside

NO_OBJECT = "false_detection"  # boxes of the challenge's test set that show none of the categories
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[-+]\d\d:?\d\d)?")


class FmowOptions(ReaderOptions):
    """Options of the reader `fmow`."""

    variant: Literal["rgb", "msrgb"] = Field(
        "rgb", description="rgb: pan-sharpened images; msrgb: the smaller ones of the multispectral bands"
    )
    splits: dict[str, Literal["train", "val", "test"]] = Field(
        {"train": "train", "val": "val", "test": "test", "seq": "test"},
        description="folders to read, and the split that each is; seq is the challenge's sequestered test set",
    )


class Fmow(Reader):
    """Reads ``<split>/<category>/<place>/<place>_<n>_rgb.jpg`` with its ``.json``.

    The positions were withheld during the challenge: they are in the ground truth that was published after it. Where
    its folders (``train_gt/``) are there its JSON files are read, else those beside the images. Images of one place
    have one origin, so that no split method divides them.
    """

    name = "fmow"
    layout = """\
<root>/
  train/airport/airport_0/airport_0_0_rgb.jpg      and val/; several images of one place lie in one folder
  train/airport/airport_0/airport_0_0_rgb.json     boxes, time, country, GSD
  train_gt/airport/airport_0/airport_0_0_rgb.json  the same with positions; or groundtruth/train_gt/
  test/0000123/0000123_0_rgb.jpg                   test/ and seq/ need the ground truth:
  test_gt/airport/airport_0/airport_0_0_rgb.json
  test_gt_mapping.json                             [{"input": "test_gt/airport/airport_0", "output": "test/0000123"}]"""
    Options = FmowOptions
    options: FmowOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per JSON file; see `Reader.entries`.

        Raises:
            UserError: no JSON file is found; a mapping is broken; a folder cannot be listed.
        """
        check_patterns("reader.splits", list(self.options.splits))
        suffix = f"_{self.options.variant}.json"
        found = False
        seen: set[str] = set()
        for folder, split in self.options.splits.items():
            notes = self._notes_of(folder)
            mapping = self._mapping(folder)
            for file in self._files(notes, suffix):
                found = True
                place = PurePosixPath(file).parent
                inside = place.relative_to(notes)
                images = mapping.get(f"{folder}_gt/{inside}") or f"{folder}/{inside}"
                number = PurePosixPath(file).stem.removeprefix(place.name)  # _0_rgb
                image = f"{images}/{PurePosixPath(images).name}{number}.jpg"
                if image in seen:
                    yield Entry(f"{file}#again", (file,), {"again": image})
                    continue
                seen.add(image)
                yield Entry(image, (file, image), {"split": split, "place": f"{folder}/{place.name}"})
        if not found:
            wanted = f"*{suffix} below {', '.join(f'{s}/' for s in self.options.splits)}"
            raise wrong_layout(self.root, wanted, self.layout)

    def _notes_of(self, folder: str) -> str:
        options = (f"{folder}_gt", f"groundtruth/{folder}_gt", f"groundtruth/{folder}")
        return next((o for o in options if (self.root / o).is_dir()), folder)

    def _files(self, folder: str, suffix: str) -> list[str]:
        out = []
        for base, folders, files in os.walk(self.root / folder, onerror=_unlistable):
            folders.sort()
            out += [(Path(base) / f).relative_to(self.root).as_posix() for f in files if f.endswith(suffix)]
        return sorted(out)

    def _mapping(self, folder: str) -> dict[str, str]:
        """Return ground-truth folder → image folder, of the sets whose image folders are numbers."""
        name = f"{folder}_gt_mapping.json"
        file = next((p for p in (self.root / name, self.root / "groundtruth" / name) if p.is_file()), None)
        if file is None:
            return {}
        try:
            out = {str(row["input"]): str(row["output"]) for row in json.loads(file.read_bytes())}
        except (ValueError, RecursionError, TypeError, KeyError) as error:
            raise UserError(f'{file} is no list of {{"input": …, "output": …}}: {error!r}') from error
        if outside := [p for p in out.values() if not is_inside(p)]:
            raise UserError(f"{file}: '{outside[0]}' leads out of {self.root}")
        return out

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn one JSON file into a scene; see `Reader.read`."""
        if "again" in entry.payload:
            yield self._reject(entry, "duplicate_key", f"a second record for {entry.payload['again']}")
            return
        try:
            record = json.loads(confine(self.root, entry.files[0]).read_bytes())
            if not isinstance(record, dict):
                raise ValueError(f"the file holds no object but {type(record).__name__}")
            boxes = record.get("bounding_boxes")
            boxes = [boxes] if isinstance(boxes, dict) else boxes  # one box came without a list in the first release
            if not isinstance(boxes, list):
                raise ValueError("no list bounding_boxes")
            size = _size(record)
        except BadImage as bad:
            yield self._reject(entry, bad.code, bad.detail)
            return
        except (OSError, ValueError, RecursionError) as error:
            yield self._reject(entry, "bad_annotation", f"{PurePosixPath(entry.files[0]).name}: {error}")
            return
        regions: list[Region] = []
        for number, box in enumerate(boxes):
            try:
                regions += _regions(box)
            except (ValueError, OverflowError) as error:
                yield self._reject(entry, "bad_annotation", f"box {number}: {error}", "region")
        # the ground truth lists the whole image first, for its position: an object only where there is no other
        regions = [r for r in regions if r.box != (0, 0, *size)] or regions
        if not regions:
            yield self._reject(entry, "no_label", "no box of a category; test/ and seq/ need the ground truth folders")
            return
        try:
            yield self._scene(entry, record, size, tuple(regions))
        except (ValueError, OverflowError) as error:
            yield self._reject(entry, "bad_coordinate", str(error))

    def _scene(self, entry: Entry, record: dict[str, Any], size: tuple[int, int], regions: tuple[Region, ...]) -> Scene:
        ring = ring_of(record["raw_location"]) if isinstance(record.get("raw_location"), str) else ()
        lon, lat = centre_of(ring) if ring else (None, None)
        country = COUNTRIES.get(str(record.get("country_code")))  # the authors warn of codes that no country has
        names = tuple(dict.fromkeys(r.category for r in regions))
        gsd, time = record.get("gsd"), record.get("timestamp")
        return Scene(
            key=entry.key,
            corpus=self.corpus,
            path=entry.key,
            width=size[0],
            height=size[1],
            scene_class=names[0] if len(names) == 1 else None,
            labels=names if len(names) > 1 else (),
            regions=regions,
            places=(("country", country),) if country else (),
            split=entry.payload["split"],
            origin=f"fmow/{entry.payload['place']}",
            footprint=() if not ring or crosses_antimeridian(ring) else ring,
            lon=lon,
            lat=lat,
            gsd=float(gsd) if isinstance(gsd, int | float) and math.isfinite(gsd) and gsd > 0 else None,
            captured=time if isinstance(time, str) and _TIME.fullmatch(time) else None,
        )

    def _reject(self, entry: Entry, code: str, detail: str, level: Literal["scene", "region"] = "scene") -> Reject:
        return Reject(corpus=self.corpus, path=entry.key, stage="read", code=code, detail=detail, level=level)


def _size(record: dict[str, Any]) -> tuple[int, int]:
    width, height = record.get("img_width"), record.get("img_height")
    if not isinstance(width, int) or not isinstance(height, int) or min(width, height) < 1:
        raise ValueError(f"img_width and img_height are {width!r} and {height!r}")
    return width, height


def _regions(record: Any) -> list[Region]:
    """Turn one box, ``[x, y, width, height]`` in pixels, into a region; none for a box that names no object."""
    if not isinstance(record, dict):
        raise ValueError(f"no object but {type(record).__name__}")
    category = record.get("category")
    if category is None or category == NO_OBJECT:
        return []
    if not isinstance(category, str) or not category.strip():
        raise ValueError(f"category {category!r}")
    box = record.get("box")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(v, int | float) for v in box):
        raise ValueError(f"box {box!r} is not [x, y, width, height]")
    x, y, width, height = map(float, box)
    place = record.get("raw_location")
    lon, lat = centre_of(ring_of(place)) if isinstance(place, str) else (None, None)
    return [Region(box=(x, y, x + width, y + height), category=in_words(category), lon=lon, lat=lat)]


def _unlistable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # a copy may lack some of the sets
        raise UserError(f"the folder {error.filename} cannot be listed: {error.strerror}") from error
