"""COCO's JSON: images, categories and annotations with boxes, polygons or masks, in one file for each split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.readers._images import ImageFolders, check_patterns
from geovec_data.readers._labels import LabelOptions, Labels, words
from geovec_data.readers._masks import outline
from geovec_data.readers._paired import Malformed, numbers
from geovec_data.readers._records import RecordReader, entry_of, fault, image_path, load_json
from geovec_data.readers._splits import folder_split
from geovec_data.readers.base import Entry
from geovec_data.records import Box, Region, Reject, Scene
from geovec_data.untrusted.images import is_inside


class CocoJsonOptions(LabelOptions):
    """Options of the reader `coco_json`."""

    json_files: tuple[str, ...] = Field(
        ("annotations/*.json", "*.json"), description="globs of the annotation files; their names tell the split"
    )
    images: tuple[str, ...] = Field(
        ("images", "train", "val", "test", "JPEGImages", "."), description="folders with the images"
    )


class CocoJson(RecordReader):
    """Reads ``{"images": […], "categories": […], "annotations": […]}``.

    Format: https://cocodataset.org/#format-data: ``bbox`` is x, y, width, height from 0; ``segmentation`` a list of
    rings or a run-length encoded mask, whose largest part becomes the polygon. A ``supercategory`` becomes the
    broader category. A crowd bears the attribute ``crowd``.
    """

    name = "coco_json"
    layout = """\
<root>/
  annotations/instances_train.json  or any *.json: {"images", "categories", "annotations"}
  images/*.jpg                      or train/, val/, test/"""
    Options = CocoJsonOptions
    options: CocoJsonOptions

    def __init__(self, root: Path, options: Any, corpus: str) -> None:
        super().__init__(root, options, corpus)
        self.labels = Labels(self.options)

    def entries(self) -> Iterator[Entry]:
        """List one entry per image record; see `Reader.entries`."""
        check_patterns("reader.images", self.options.images)
        folders = ImageFolders(self.root, self.options.images)
        seen: set[str] = set()
        for file in self.files("json_files", self.options.json_files):
            tree = coco_tree(file, self.layout)
            split = folder_split(f"{file.stem}/*")
            for key, payload in records(tree, file.name):
                if isinstance(payload, str):
                    yield fault(key, "bad_annotation", payload)
                    continue
                path = image_path(key, folders, split) if is_inside(key) else key
                if path in seen:
                    detail = f"a second record for {path}, in {file.name}"
                    yield fault(f"{path}#{payload['id']}", "duplicate_key", detail)
                    continue
                seen.add(path)
                yield entry_of(path, {**payload, "split": split})

    def parse(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn an image record into a scene; see `RecordReader.parse`."""
        record = entry.payload
        regions: list[Region] = []
        for number, annotation in enumerate(record["annotations"]):
            try:
                regions.append(self._region(annotation, record["categories"]))
            except Malformed as error:
                yield self.reject(entry, f"annotation {number}: {error}", "region")
        yield Scene(
            key=entry.key,
            corpus=self.corpus,
            path=entry.key,
            width=claim(record.get("width")),
            height=claim(record.get("height")),
            regions=tuple(regions),
            split=record["split"],
        )

    def _region(self, annotation: Any, categories: dict[str, Any]) -> Region:
        category = categories.get(str(annotation.get("category_id")))
        if category is None:
            raise Malformed(f"unknown category {annotation.get('category_id')!r}")
        fields = self.labels(category["name"])
        broader = words(str(category.get("supercategory") or ""))
        if broader not in ("", "none", fields["category"]) and not fields["ancestors"]:
            fields = {**fields, "ancestors": (broader,)}
        if annotation.get("iscrowd") == 1:
            fields = {**fields, "attributes": (*fields["attributes"], ("crowd", "yes"))}
        shape = outline(annotation.get("segmentation"))
        box = corner_box(annotation.get("bbox"), "xywh")
        if box is None:
            if shape is None:
                raise Malformed("neither bbox nor segmentation")
            box = shape[0]
        return Region(box=box, polygon=shape[1] if shape else (), **fields)


def coco_tree(file: Path, layout: str) -> dict[str, Any]:
    """Load a file of COCO's form.

    Raises:
        UserError: it is none.
    """
    tree = load_json(file)
    if not isinstance(tree, dict) or not all(
        isinstance(tree.get(k), list) for k in ("images", "annotations", "categories")
    ):
        raise UserError(
            f'{file} has no lists "images", "annotations", "categories": not COCO\'s form. Expected:\n{layout}'
        )
    return tree


def records(tree: dict[str, Any], file: str) -> Iterator[tuple[str, Any]]:
    """Yield each image's file name with its record, its annotations and the categories they name.

    A record without a name or id is yielded under ``file#number`` with what is wrong with it; annotations of unknown
    images are yielded so too, as nothing else would tell of them.
    """
    categories = {
        str(c["id"]): c
        for c in tree["categories"]
        if isinstance(c, dict) and "id" in c and isinstance(c.get("name"), str)
    }
    of_image: dict[str, list[Any]] = {}
    for number, annotation in enumerate(tree["annotations"]):
        if not isinstance(annotation, dict) or "image_id" not in annotation:
            yield f"{file}#annotation-{number}", "an annotation without image_id"
        else:
            of_image.setdefault(str(annotation["image_id"]), []).append(annotation)
    for number, image in enumerate(tree["images"]):
        if not isinstance(image, dict) or not isinstance(image.get("file_name"), str) or "id" not in image:
            yield f"{file}#{number}", "an image without file_name or id"
            continue
        own = of_image.pop(str(image["id"]), [])
        named = {str(a.get("category_id", a.get("categories_id"))) for a in own}
        known = {k: categories[k] for k in sorted(named & categories.keys())}
        sides = {k: image.get(k) for k in ("id", "width", "height")}
        yield image["file_name"], {**sides, "annotations": own, "categories": known}
    for image_id, lost in of_image.items():
        yield f"{file}#image-{image_id}", f"{len(lost)} annotations of an image {image_id} that is not listed"


def claim(value: Any) -> int | None:
    """Return a stated size; anything but a positive whole number is no claim."""
    return value if isinstance(value, int) and value > 0 else None


def corner_box(value: Any, form: str) -> Box | None:
    """Return a ``bbox`` as corners; None when there is none.

    Args:
        value: four numbers.
        form: ``xywh`` (COCO) or ``xyxy`` (RRSIS-D).

    Raises:
        Malformed: it is something else.
    """
    if value is None:
        return None
    if len(corners := numbers(value)) != 4:
        raise Malformed(f"a bbox of {len(corners)} numbers")
    a, b, c, d = corners
    return (a, b, a + c, b + d) if form == "xywh" else (a, b, c, d)
