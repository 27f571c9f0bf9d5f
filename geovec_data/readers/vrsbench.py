"""VRSBench's JSON: one file per image with its caption, referred objects, and questions with answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import Field

from geovec_data.geometry.clip import bounds
from geovec_data.readers._images import with_pixels
from geovec_data.readers._paired import Malformed, PairedOptions, PairedReader, numbers
from geovec_data.readers.base import Entry
from geovec_data.records import Question, Region, Reject, Scene


class VrsbenchOptions(PairedOptions):
    """Options of the reader `vrsbench`."""

    annotations: tuple[str, ...] = Field(
        ("Annotations_train/*.json", "Annotations_val/*.json"), description="globs of the JSON files"
    )
    images: tuple[str, ...] = Field(("Images_train", "Images_val"), description="folders with the images")


class Vrsbench(PairedReader):
    """Reads ``{"image", "caption", "objects": [{"obj_cls", "obj_corner", "referring_sentence"}], "qa_pairs"}``.

    Format: ``extract_patch_json.py`` of the authors' repository, which writes the files. ``obj_corner`` holds four
    corners as shares of the image's sides and is exact; ``obj_coord``, their hull, is rounded to hundredths (5 px of
    512) and taken only where the corners are missing. ``VRSBench_EVAL_*.json`` repeat ``Annotations_val``.
    """

    name = "vrsbench"
    layout = """\
<root>/
  Annotations_train/P0003_0002.json {"image", "caption", "objects": […], "qa_pairs": […]}
  Images_train/P0003_0002.png       512 px, cut from DOTA (P0003) or DIOR (05863_0000)
  Annotations_val/  Images_val/     the official evaluation part"""
    Options = VrsbenchOptions
    options: VrsbenchOptions

    def parse(self, data: bytes, scene: Scene, entry: Entry) -> Iterator[Scene | Reject]:
        """Parse one JSON file; see `PairedReader.parse`."""
        try:
            tree = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Malformed(f"not readable as JSON: {type(error).__name__}: {error}") from error
        if not isinstance(tree, dict) or not {"caption", "objects", "qa_pairs"} & tree.keys():
            raise Malformed('expected an object with "caption", "objects" or "qa_pairs"')
        scene, width, height = with_pixels(self.root, scene)
        regions, questions = [], []
        for number, record in enumerate(_records(tree, "objects")):
            try:
                regions.append(self._region(record, width, height))
            except Malformed as error:
                yield self.reject(entry, f"object {number}: {error}", "region")
        for number, record in enumerate(_records(tree, "qa_pairs")):
            try:
                questions.append(Question(text=_text(record, "question"), answers=(_text(record, "answer"),),
                                          kind=_text(record, "type").lower(), split=scene.split))  # fmt: skip
            except Malformed as error:
                yield self.reject(entry, f"question {number}: {error}", "text")
        captions = (tree["caption"],) if isinstance(tree.get("caption"), str) else ()
        yield replace(scene, captions=captions, regions=tuple(regions), questions=tuple(questions))

    def _region(self, record: Any, width: int, height: int) -> Region:
        label = _text(record, "obj_cls")
        corners = numbers(record["obj_corner"] if "obj_corner" in record else record.get("obj_coord"))
        if len(corners) not in (4, 8):
            raise Malformed(f"a box of {len(corners)} numbers")
        ring = tuple(round(v * (height if i % 2 else width), 4) for i, v in enumerate(corners))
        box = bounds(ring) if len(ring) == 8 else (ring[0], ring[1], ring[2], ring[3])
        sentence = record.get("referring_sentence")
        return Region(
            box=box,
            polygon=ring if len(ring) == 8 else (),
            expressions=(sentence,) if isinstance(sentence, str) and sentence.strip() else (),
            **self.labels(label),
        )


def _records(tree: dict[str, Any], key: str) -> list[Any]:
    found = tree.get(key, [])
    if not isinstance(found, list):
        raise Malformed(f'"{key}" is no list')
    return found


def _text(record: Any, key: str) -> str:
    """Return a text of a record; GPT-4 wrote some answers as numbers."""
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, str | int | float) or not str(value).strip():
        raise Malformed(f'no text "{key}"')
    return str(value)
