"""xView's GeoJSON: one file of boxes for all images, each a feature with pixel bounds and a class number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.readers._images import ImageFolders, check_patterns, with_position
from geovec_data.readers._labels import LabelOptions, Labels
from geovec_data.readers._paired import Malformed, floats
from geovec_data.readers._records import RecordReader, entry_of, fault, image_path, load_json
from geovec_data.readers.base import Entry
from geovec_data.records import Region, Reject, Scene

_CLASSES = """
11 fixed wing aircraft,12 small aircraft,13 passenger or cargo plane,15 helicopter,17 passenger vehicle,18 small car,
19 bus,20 pickup truck,21 utility truck,23 truck,24 cargo truck,25 truck tractor with box trailer,26 truck tractor,
27 trailer,28 truck tractor with flatbed trailer,29 truck tractor with liquid tank,32 crane truck,33 railway vehicle,
34 passenger car,35 cargo or container car,36 flat car,37 tank car,38 locomotive,40 maritime vessel,41 motorboat,
42 sailboat,44 tugboat,45 barge,47 fishing vessel,49 ferry,50 yacht,51 container ship,52 oil tanker,
53 engineering vehicle,54 tower crane,55 container crane,56 reach stacker,57 straddle carrier,59 mobile crane,
60 dump truck,61 haul truck,62 scraper or tractor,63 front loader or bulldozer,64 excavator,65 cement mixer,
66 ground grader,71 hut or tent,72 shed,73 building,74 aircraft hangar,76 damaged building,77 facility,
79 construction site,83 vehicle lot,84 helipad,86 storage tank,89 shipping container lot,91 shipping container,
93 pylon,94 tower"""


class XviewGeojsonOptions(LabelOptions):
    """Options of the reader `xview_geojson`."""

    json_file: str = Field("xView_train.geojson", description="the label file")
    images: tuple[str, ...] = Field(("train_images", "images", "."), description="folders with the images")
    classes: dict[int, str] = Field(
        {int(n): name for n, _, name in (c.strip().partition(" ") for c in _CLASSES.split(","))},
        description="class names by type_id; others are refused",
    )
    georeference: bool = Field(True, description="take the position from the GeoTIFF's tags where it has them")


class XviewGeojson(RecordReader):
    """Reads features with ``bounds_imcoords`` "x0,y0,x1,y1" (pixels), ``type_id`` and ``image_id`` "1.tif".

    Format: Lam et al., "xView: Objects in Context in Overhead Imagery" (2018), ``wv_util.py`` of the authors'
    utilities; class names: ``xview_class_labels.txt`` of their baseline. Known faults of the files, each a reject:
    labels of 1395.tif, which is not among the images; boxes of types 75 and 82, which no class has; empty, inverted
    and outlying boxes; bounds that are not four numbers.
    """

    name = "xview_geojson"
    layout = """\
<root>/
  xView_train.geojson               features: bounds_imcoords "x0,y0,x1,y1", type_id, image_id "1.tif"
  train_images/1.tif"""
    Options = XviewGeojsonOptions
    options: XviewGeojsonOptions

    def __init__(self, root: Path, options: Any, corpus: str) -> None:
        super().__init__(root, options, corpus)
        self.labels = Labels(self.options)

    def entries(self) -> Iterator[Entry]:
        """List one entry per labelled image; see `Reader.entries`."""
        check_patterns("reader.images", self.options.images)
        (file, *more) = self.files("json_file", (self.options.json_file,))
        if more:
            raise UserError(f"several label files in {self.root}; choose one with reader.json_file=…")
        tree = load_json(file)
        features = tree.get("features") if isinstance(tree, dict) else None
        if not isinstance(features, list):
            raise UserError(f'{file} has no list "features": no GeoJSON. Expected:\n{self.layout}')
        objects: dict[str, list[Any]] = {}
        for number, feature in enumerate(features):
            facts = feature.get("properties") if isinstance(feature, dict) else None
            if not isinstance(facts, dict) or not isinstance(facts.get("image_id"), str) or not facts["image_id"]:
                yield fault(f"{file.name}#{number}", "bad_annotation", "a feature without image_id")
                continue
            objects.setdefault(facts["image_id"], []).append([facts.get("bounds_imcoords"), facts.get("type_id")])
        folders = ImageFolders(self.root, self.options.images)
        for image_id, boxes in objects.items():
            yield entry_of(image_path(image_id, folders), {"objects": boxes})

    def parse(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn the boxes of an image into a scene; see `RecordReader.parse`."""
        regions: list[Region] = []
        for number, (bounds, type_id) in enumerate(entry.payload["objects"]):
            try:
                regions.append(self._region(bounds, type_id))
            except Malformed as error:
                yield self.reject(entry, f"object {number}: {error}", "region")
        scene = Scene(key=entry.key, corpus=self.corpus, path=entry.key, regions=tuple(regions))
        yield with_position(self.root, scene) if self.options.georeference else scene

    def _region(self, bounds: Any, type_id: Any) -> Region:
        if not isinstance(type_id, int) or type_id not in self.options.classes:
            raise Malformed(f"type_id {type_id!r} has no class")
        numbers = floats(bounds.split(",")) if isinstance(bounds, str) else ()
        if len(numbers) != 4:
            raise Malformed(f"bounds_imcoords are not four numbers: {bounds!r}"[:120])
        return Region(
            box=(numbers[0], numbers[1], numbers[2], numbers[3]), **self.labels(self.options.classes[type_id])
        )
