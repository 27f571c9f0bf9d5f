"""RefCOCO's layout: instances in COCO's form, and referring expressions of them in a pickle (RRSIS-D)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.readers._images import ImageFolders, check_patterns
from geovec_data.readers._labels import LabelOptions, Labels
from geovec_data.readers._masks import outline
from geovec_data.readers._paired import Malformed
from geovec_data.readers._records import RecordReader, entry_of, fault, image_path, load_json
from geovec_data.readers.base import Entry
from geovec_data.readers.coco_json import claim, coco_tree, corner_box, records
from geovec_data.records import Region, Reject, Scene
from geovec_data.untrusted.images import is_inside
from geovec_data.untrusted.plain_pickle import NotPlain, loads

_MOST_BYTES = 1 << 28  # of the pickle
_SPLITS = {"train": "train", "val": "val", "test": "test", "testA": "test", "testB": "test", "testC": "test"}


class RefcocoOptions(LabelOptions):
    """Options of the reader `refcoco`."""

    refs: str = Field("*/refs(*).p", description="glob of the expressions: a pickle of plain data, or its JSON")
    images: tuple[str, ...] = Field(
        ("images/rrsisd/JPEGImages", "images", "JPEGImages"), description="folders with the images"
    )
    bbox: Literal["xywh", "xyxy"] = Field("xywh", description="form of the instances' bbox, used without a mask")


class Refcoco(RecordReader):
    """Reads ``refs(unc).p`` and the ``instances.json`` beside it.

    Format: the REFER interface of Yu et al., "Modeling Context in Referring Expressions" (ECCV 2016,
    https://github.com/lichengunc/refer). RRSIS-D follows it with ``categories_id`` for ``category_id``, a ``bbox``
    of two corners and one run-length encoded mask an instance. A mask gives box and polygon. The pickle is read as
    data only (`geovec_data.untrusted.plain_pickle`). An instance that no expression refers to is a region without text.
    """

    name = "refcoco"
    layout = """\
<root>/
  rrsisd/refs(unc).p                list of {"ann_id", "split", "sentences": [{"raw"}]}; read as plain data
  rrsisd/instances.json             COCO's form
  images/rrsisd/JPEGImages/*.jpg    or images/"""
    Options = RefcocoOptions
    options: RefcocoOptions

    def __init__(self, root: Path, options: Any, corpus: str) -> None:
        super().__init__(root, options, corpus)
        self.labels = Labels(self.options)

    def entries(self) -> Iterator[Entry]:
        """List one entry per image; see `Reader.entries`.

        Raises:
            UserError: a file is missing, is not of this form, or the pickle holds more than data.
        """
        check_patterns("reader.images", self.options.images)
        found = self.files("refs", (self.options.refs,))
        if len(found) > 1:
            names = ", ".join(p.name for p in found)
            raise UserError(f"several files of expressions in {self.root}: {names}. Choose one with reader.refs=…")
        folders = ImageFolders(self.root, self.options.images)
        refs = _by_annotation(found[0])
        images: dict[str, dict[str, Any]] = {}
        tree = coco_tree(found[0].with_name("instances.json"), self.layout)
        for key, payload in records(tree, "instances.json"):
            if isinstance(payload, str):
                yield fault(key, "bad_annotation", payload)
                continue
            path = image_path(key, folders) if is_inside(key) else key
            for annotation in payload["annotations"]:
                annotation["refs"] = refs.pop(str(annotation.get("id")), [])
            if path in images:  # one image may be listed once for each instance
                images[path]["annotations"] += payload["annotations"]
                images[path]["categories"] |= payload["categories"]
            else:
                images[path] = payload
        for path, payload in images.items():
            yield entry_of(path, payload)
        for ann_id, lost in refs.items():
            yield fault(f"{found[0].name}#{ann_id}", "bad_annotation", f"{len(lost)} expressions of no known instance")

    def parse(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn an image with its instances into a scene; see `RecordReader.parse`."""
        record = entry.payload
        regions: list[Region] = []
        for number, annotation in enumerate(record["annotations"]):
            try:
                regions.append(self._region(annotation, record["categories"]))
            except Malformed as error:
                yield self.reject(entry, f"instance {number}: {error}", "region")
        splits = {r["split"] for a in record["annotations"] for r in a["refs"]} - {None}
        yield Scene(
            key=entry.key,
            corpus=self.corpus,
            path=entry.key,
            width=claim(record.get("width")),
            height=claim(record.get("height")),
            regions=tuple(regions),
            split=splits.pop() if len(splits) == 1 else None,
        )

    def _region(self, annotation: dict[str, Any], categories: dict[str, Any]) -> Region:
        number = annotation.get("category_id", annotation.get("categories_id"))
        category = categories.get(str(number))
        if category is None:
            raise Malformed(f"unknown category {number!r}")
        shape = outline(annotation.get("segmentation"))
        box = shape[0] if shape else corner_box(annotation.get("bbox"), self.options.bbox)
        if box is None:
            raise Malformed("neither segmentation nor bbox")
        splits = {r["split"] for r in annotation["refs"]} - {None}
        return Region(
            box=box,
            polygon=shape[1] if shape else (),
            expressions=tuple(text for r in annotation["refs"] for text in r["texts"]),
            split=splits.pop() if len(splits) == 1 else None,
            **self.labels(category["name"]),
        )


def _by_annotation(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Collect the expressions of each instance.

    Raises:
        UserError: the file is no list of such records, or a pickle that holds more than plain data.
    """
    try:
        tree = load_json(file) if file.suffix == ".json" else loads(file.read_bytes(), _MOST_BYTES)
    except (NotPlain, OSError) as error:
        way = "only plain data is read; give it as JSON with reader.refs=…"
        raise UserError(f"{file} cannot be read: {error}; {way}") from error
    found: dict[str, list[dict[str, Any]]] = {}
    for number, ref in enumerate(tree if isinstance(tree, list) else [tree]):
        sentences = ref.get("sentences") if isinstance(ref, dict) else None
        if not isinstance(sentences, list | tuple) or "ann_id" not in ref:
            raise UserError(f'{file}: record {number} has no "ann_id" with "sentences": not RefCOCO\'s form')
        texts = [s.get("raw") or s.get("sent") for s in sentences if isinstance(s, dict)]
        split = _SPLITS.get(str(ref.get("split")))
        found.setdefault(str(ref["ann_id"]), []).append({"texts": [str(t) for t in texts if t], "split": split})
    return found
