"""Karpathy caption JSON: one file of image records with five sentences each (RSICD, UCM, Sydney, RSITMD)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.readers._images import ImageFolders, check_patterns, wrong_layout
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Reject, Scene
from geovec_data.untrusted.images import is_inside

SPLITS = {"train": "train", "restval": "train", "val": "val", "test": "test"}


class KarpathyOptions(ReaderOptions):
    """Options of the reader `karpathy`."""

    json_file: str = Field("dataset*.json", description="glob of the caption file; it must match one file")
    images: tuple[str, ...] = Field(
        ("RSICD_images", "imgs", "images", "UCM_images", "Sydney_images", "."),
        description="folders with the images, searched in this order",
    )
    class_from: Literal["none", "filename"] = Field(
        "none", description="filename: the scene class is the file name up to its last underscore, unless a number"
    )
    classes: dict[str, str] = Field({}, description="better names of classes, e.g. {bareland: bare land}")
    numbered: tuple[str, ...] = Field(
        (), description="classes that images named 1, 2, 3, … run through in this order, `per_class` images each"
    )
    per_class: int = Field(100, ge=1, description="images of each of the `numbered` classes")
    numbered_origin: str = Field(
        "", description="origin of such an image: {class} as in `numbered`, {index} from 0 in its class"
    )


class Karpathy(Reader):
    """Reads ``{"images": [{"filename", "split", "sentences": [{"raw"}, …]}, …]}``.

    Method: the split files of Karpathy and Fei-Fei, "Deep visual-semantic alignments" (2015), whose layout the
    remote-sensing caption corpora took over. Sentences are given as the corpus has them, repeats included: the checks
    collapse and count those. ``restval`` is train. The keywords that RSITMD adds become attributes of the scene.

    The images of UCM-Captions are those of UC Merced under other names: ``1.tif`` to ``2100.tif``, 100 of each class in
    the alphabetical order of its folders (as the captions confirm); `numbered` gives them their class and origin.
    """

    name = "karpathy"
    layout = """\
<root>/
  dataset_rsicd.json      or any one dataset*.json: {"images": [{"filename", "split", "sentences": [{"raw"}]}]}
  RSICD_images/*.jpg      or imgs/, images/"""
    Options = KarpathyOptions
    options: KarpathyOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per image record; see `Reader.entries`."""
        check_patterns("reader.json_file", [self.options.json_file])
        check_patterns("reader.images", self.options.images)
        found = sorted(self.root.glob(self.options.json_file))
        if not found:
            raise wrong_layout(self.root, f"{self.options.json_file} in it", self.layout)
        if len(found) > 1:
            names = ", ".join(p.name for p in found)
            raise UserError(f"several caption files in {self.root}: {names}. Choose one with reader.json_file=…")
        folders = ImageFolders(self.root, self.options.images)
        seen: set[str] = set()
        for number, record in enumerate(self._records(found[0])):
            fault = _fault(record)
            path = f"{found[0].name}#{number}" if fault else self._image_path(record, folders)
            if path in seen:
                yield Entry(f"{path}#{number}", (), {"code": "duplicate_key", "detail": f"a second record for {path}"})
            elif fault:
                yield Entry(path, (), {"code": "bad_annotation", "detail": fault})
            else:
                seen.add(path)
                sentences = [s["raw"] for s in record["sentences"]]
                payload = {"filename": record["filename"], "split": record.get("split"), "sentences": sentences}
                if words := _keywords(record):
                    payload["keywords"] = words
                yield Entry(path, (path,) if is_inside(path) else (), payload)

    def _records(self, file: Path) -> list[Any]:
        try:
            tree = json.loads(file.read_bytes())
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file} is no readable JSON: {error}") from error
        records = tree.get("images") if isinstance(tree, dict) else None
        if not isinstance(records, list):
            raise UserError(f'{file} has no list "images": not a Karpathy caption file. Expected:\n{self.layout}')
        return records

    def _image_path(self, record: dict[str, Any], folders: ImageFolders) -> str:
        """Return the source-relative path of a record's image: where it is, else where it should be."""
        name = record["filename"].replace("\\", "/")
        if beside := record.get("filepath"):  # COCO's form: the folder stands in the record
            return PurePosixPath(str(beside), name).as_posix()
        first = folders.folders[0] if folders.folders else "."
        return folders.named(name) or PurePosixPath(first, name).as_posix()

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn a record into a scene; see `Reader.read`."""
        record = entry.payload
        if "code" in record:
            yield Reject(
                corpus=self.corpus,
                path=entry.key,
                stage="read",
                code=record["code"],
                detail=record["detail"],
            )
            return
        label, origin = self._label(PurePosixPath(record["filename"]).stem)
        yield Scene(
            key=entry.key,
            corpus=self.corpus,
            path=entry.key,
            captions=tuple(record["sentences"]),
            scene_class=(self.options.classes.get(label) or label.replace("_", " ").lower()) if label else None,
            attributes=tuple(("keyword", word) for word in record.get("keywords", ())),
            origin=origin,
            split=SPLITS[record["split"]] if record["split"] else None,
        )

    def _label(self, stem: str) -> tuple[str | None, str]:
        """Return what a file name tells: class as the corpus spells it, and origin (empty: as the recipe says)."""
        known, each = self.options.numbered, self.options.per_class
        if known and stem.isdecimal() and 1 <= int(stem) <= len(known) * each:
            which, index = divmod(int(stem) - 1, each)
            return known[which], self.options.numbered_origin.format(**{"class": known[which], "index": index})
        if self.options.class_from == "none":
            return None, ""
        label = stem.rpartition("_")[0]
        return (label if label and not label.replace("_", "").isdigit() else None), ""


def _keywords(record: dict[str, Any]) -> list[str]:
    """Return RSITMD's keywords, which stand with the image or with its sentences, each once."""
    found: dict[str, None] = {}
    for part in (record, *record["sentences"]):
        words = part.get("keywords") or part.get("keyword") or []
        for word in [words] if isinstance(words, str) else words if isinstance(words, list) else []:
            if isinstance(word, str) and word.strip():
                found.setdefault(word.strip().lower())
    return list(found)


def _fault(record: Any) -> str | None:
    """Say what is wrong with a record, or None."""
    if not isinstance(record, dict):
        return f"record is no object but {type(record).__name__}"
    if not isinstance(record.get("filename"), str) or not record["filename"]:
        return "record has no filename"
    sentences = record.get("sentences")
    if not isinstance(sentences, list) or not all(
        isinstance(s, dict) and isinstance(s.get("raw"), str) for s in sentences
    ):
        return 'record has no list "sentences" of {"raw": text}'
    split = record.get("split")
    if split is not None and (not isinstance(split, str) or split not in SPLITS):
        return f"unknown split {split!r}; known: {', '.join(SPLITS)}"
    return None
