"""Pascal-VOC XML: one annotation file per image (DIOR, DIOR-RSVG with descriptions, NEON tree crowns)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.geometry.clip import bounds
from geovec_data.rasters.georef import sidecars
from geovec_data.readers._images import ImageFolders, check_patterns, with_position, wrong_layout
from geovec_data.readers._labels import LabelOptions, Labels
from geovec_data.readers._splits import OfficialImage, OfficialObjects, object_splits, stem_splits
from geovec_data.readers.base import Entry, Reader
from geovec_data.records import Box, Region, Reject, Scene
from geovec_data.untrusted import safe_xml
from geovec_data.untrusted.images import EXTENSIONS, BadImage, read_label

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_FILENAME = re.compile(rb"<filename>([^<]*)</filename>")
_CORNERS = ("left_top", "right_top", "right_bottom", "left_bottom")


class VocOptions(LabelOptions):
    """Options of the reader `voc`."""

    annotations: tuple[str, ...] = Field(
        ("Annotations/*.xml", "Annotations/*/*.xml", "*.xml"),
        description="globs of the XML files; with horizontal and oriented boxes side by side choose one of them",
    )
    images: tuple[str, ...] = Field(
        ("JPEGImages", "JPEGImages-trainval", "JPEGImages-test", "images", "."),
        description="folders with the images, searched in this order; an image has its XML file's name",
    )
    one_based: bool = Field(
        True,
        description="VOC's convention: pixels count from 1, the last one is inside: x0=xmin-1, x1=xmax; oriented"
        " corners are pixel centres: x-0.5. false: numbers are taken as half-open pixels from 0",
    )
    georeference: bool = Field(
        False, description="take the position from GeoTIFF tags, sidecars or world files of images that have them"
    )
    split_unit: Literal["object", "image"] = Field(
        "object",
        description="what a line of the official split files is: object: the number of an <object> over all XML files"
        " in name order (DIOR-RSVG); image: a file name without extension",
    )
    split_files: dict[str, str] = Field(
        {"train": "train.txt", "val": "val.txt", "test": "test.txt"}, description="the official split files"
    )
    official_split: bool = Field(False, description="read the official split (split=official sets it)")


class Voc(Reader):
    """Reads ``<annotation>`` files with ``<bndbox>``, ``<robndbox>`` (four corners) and ``<description>``.

    Format: Everingham et al., "The PASCAL VOC challenge", development kit, section on annotation files. DIOR's and
    NEON's numbers run from 1 to the image's width, never 0, so they are 1-based and inclusive as VOC defines.
    """

    name = "voc"
    layout = """\
<root>/
  Annotations/00001.xml              one file per image; or Annotations/<kind of box>/00001.xml, or beside the image
  JPEGImages/00001.jpg               or JPEGImages-trainval/ and JPEGImages-test/, or images/
  train.txt  val.txt  test.txt       for split=official only"""
    Options = VocOptions
    options: VocOptions

    def __init__(self, root: Path, options: Any, corpus: str) -> None:
        super().__init__(root, options, corpus)
        self._labels = Labels(self.options)

    def entries(self) -> Iterator[Entry]:
        """List one entry per XML file; see `Reader.entries`.

        Raises:
            UserError: no XML file; two of them for one image; the official split is asked for and does not fit.
        """
        opts = self.options
        check_patterns("reader.annotations", opts.annotations)
        check_patterns("reader.images", opts.images)
        base = "" if str(self.root) == "." else f"{str(self.root).rstrip('/')}/"
        found = {str(p).removeprefix(base) for g in opts.annotations for p in self.root.glob(g)}
        files = sorted(f for f in found if not f.rpartition("/")[2].startswith("."))
        if not files:
            raise wrong_layout(self.root, " or ".join(opts.annotations), self.layout)
        folders = ImageFolders(self.root, opts.images)
        splits: Mapping[str, OfficialObjects | OfficialImage] = {}
        if opts.official_split:
            check_patterns("reader.split_files", list(opts.split_files.values()))
            collect = object_splits if opts.split_unit == "object" else stem_splits
            splits = collect(self.root, files, opts.split_files)
        owner: dict[str, str] = {}
        for file in files:
            images = folders.stemmed(_stem(file)) or self._named_image(file, folders)
            for image in images:
                if owner.setdefault(image, file) != file:
                    raise UserError(
                        f"{owner[image]} and {file} annotate the same image {image}; choose one kind of annotation,"
                        f" e.g. 'reader.annotations=[{PurePosixPath(file).parent}/*.xml]'"
                    )
            beside = [s for i in images for s in sidecars(i)] if opts.georeference else []
            yield Entry(file, (file, *images, *beside), splits.get(file))

    def _named_image(self, file: str, folders: ImageFolders) -> list[str]:
        """Find the image by ``<filename>``, for the rare file that is not named like its image."""
        try:
            match = _FILENAME.search(read_label(self.root, file))
        except (BadImage, OSError):
            return []  # `read` meets the same fault and rejects the entry
        path = folders.named(_basename(match[1].decode("utf-8", "replace"))) if match else None
        return [path] if path else []

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Parse one XML file; see `Reader.read`."""
        try:
            tree = safe_xml.parse(read_label(self.root, entry.files[0]))
        except BadImage as bad:
            yield self._reject(entry, bad.code, bad.detail)
            return
        except (*safe_xml.XmlFault, OSError) as error:
            yield self._reject(entry, "bad_annotation", f"not readable as XML: {type(error).__name__}: {error}")
            return
        if tree.tag != "annotation":
            yield self._reject(entry, "bad_annotation", f"root element is <{tree.tag}>, not <annotation>")
            return
        official = entry.payload or {}
        splits = official.get("objects", ())
        regions: list[Region] = []
        for number, element in enumerate(tree.iter("object")):
            try:
                region = self._region(element)
            except ValueError as error:
                yield self._reject(entry, "bad_annotation", f"object {number}: {error}", level="region")
                continue
            if number < len(splits):
                region = replace(region, source_index=official["first"] + number, split=splits[number])
            regions.append(region)
        path, key = self._image_path(entry, tree.findtext("filename") or "")
        scene = Scene(
            key=key,
            corpus=self.corpus,
            path=path,
            width=_claim(tree, "width"),
            height=_claim(tree, "height"),
            regions=tuple(regions),
            split=official.get("split"),
        )
        yield with_position(self.root, scene) if self.options.georeference and path == key else scene

    def _reject(self, entry: Entry, code: str, detail: str, level: Literal["scene", "region"] = "scene") -> Reject:
        return Reject(corpus=self.corpus, path=entry.key, stage="read", code=code, detail=detail, level=level)

    def _image_path(self, entry: Entry, filename: str) -> tuple[str, str]:
        """Return the image's path and the scene's key: the path too, or the XML file when there is no image."""
        images = [f for f in entry.files[1:] if f.lower().endswith(EXTENSIONS)]
        if not images:
            stem = _stem(entry.key)
            return PurePosixPath(self.options.images[0], _basename(filename) or f"{stem}.jpg").as_posix(), entry.key
        named = [i for i in images if PurePosixPath(i).name == _basename(filename)]
        path = (named or images)[0]  # OSBS_029.xml lies beside OSBS_029.png and OSBS_029.tif and names one
        return path, path

    def _region(self, element: Element) -> Region:
        polygon = self._polygon(element)
        box = self._box(element)
        if box is None:
            if not polygon:
                raise ValueError("neither <bndbox> nor <robndbox>")
            box = bounds(polygon)
        return Region(
            box=box,
            polygon=polygon,
            expressions=tuple(" ".join((d.text or "").split()) for d in element.findall("description")),
            **self._labels(element.findtext("name") or "", difficult=element.findtext("difficult") == "1"),
        )

    def _box(self, element: Element) -> Box | None:
        node = element.find("bndbox")
        if node is None:
            return None
        shift = 1.0 if self.options.one_based else 0.0
        x0, y0, x1, y1 = (_number(node, tag) for tag in ("xmin", "ymin", "xmax", "ymax"))
        return (x0 - shift, y0 - shift, x1, y1)

    def _polygon(self, element: Element) -> tuple[float, ...]:
        node = element.find("robndbox")
        if node is None:
            return ()
        shift = 0.5 if self.options.one_based else 0.0
        return tuple(_number(node, f"{axis}_{corner}") - shift for corner in _CORNERS for axis in "xy")


def _basename(filename: str) -> str:
    return filename.replace("\\", "/").rpartition("/")[2].strip()


def _stem(file: str) -> str:
    """Return what `PurePosixPath.stem` does, at a fraction of its time: it is asked for every file of the corpus."""
    name = file.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def _number(node: Element, tag: str) -> float:
    text = node.findtext(tag)
    if text is None:
        raise ValueError(f"<{node.tag}> has no <{tag}>")
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"<{tag}> is no number: {text!r}") from None


def _claim(tree: Element, tag: str) -> int | None:
    """Return the size that the file states; 0, as some tools write for "unknown", is no claim."""
    text = (tree.findtext(f"size/{tag}") or "").strip()
    return int(text) if text.isdigit() and int(text) > 0 else None
