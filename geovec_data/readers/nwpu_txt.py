"""NWPU VHR-10's text files: ``(x1,y1),(x2,y2),class`` for each object; images without objects lie in a folder apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from geovec_data.readers._images import ImageFolders, check_patterns
from geovec_data.readers._paired import Malformed, PairedOptions, PairedReader, floats, text_lines
from geovec_data.readers.base import Entry
from geovec_data.records import Region, Reject, Scene

_LINE = re.compile(r"\(([^,()]+),([^,()]+)\)\s*,\s*\(([^,()]+),([^,()]+)\)\s*,\s*(\d{1,9})\s*,?")
_CLASSES = (
    "airplane", "ship", "storage tank", "baseball diamond", "tennis court", "basketball court", "ground track field",
    "harbor", "bridge", "vehicle",
)  # fmt: skip


class NwpuTxtOptions(PairedOptions):
    """Options of the reader `nwpu_txt`."""

    annotations: tuple[str, ...] = Field(("ground truth/*.txt",), description="globs of the label files")
    images: tuple[str, ...] = Field(("positive image set",), description="folders of the images with objects")
    negatives: tuple[str, ...] = Field(
        ("negative image set",), description="folders of images that hold no object of any class"
    )
    classes: tuple[str, ...] = Field(_CLASSES, description="class names in the order of their numbers, from 1")


class NwpuTxt(PairedReader):
    """Reads the ground truth of NWPU VHR-10; both image sets number their files from 001.

    Format: the corpus's readme: "(x1,y1),(x2,y2),a", the upper left and the lower right corner and the class from 1
    to 10 (Cheng, Han, Zhou, Guo: "Multi-class geospatial object detection …", ISPRS 2014). Corners are taken as
    half-open pixels from 0. An image of the negative set is a scene without regions: a candidate in searches.
    """

    name = "nwpu_txt"
    layout = """\
<root>/
  positive image set/001.jpg
  ground truth/001.txt              (563,478),(630,573),1
  negative image set/001.jpg        images without objects"""
    Options = NwpuTxtOptions
    options: NwpuTxtOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per label file and one per negative image; see `PairedReader.entries`."""
        check_patterns("reader.negatives", self.options.negatives)
        yield from super().entries()
        for path in ImageFolders(self.root, self.options.negatives).paths():
            yield Entry(path, (path,))

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Parse one label file, or pass a negative image; see `Reader.read`."""
        if entry.key.endswith(".txt"):
            yield from super().read(entry)
        else:
            yield Scene(key=entry.key, corpus=self.corpus, path=entry.key)

    def parse(self, data: bytes, scene: Scene, entry: Entry) -> Iterator[Scene | Reject]:
        """Parse one label file; see `PairedReader.parse`."""
        regions: list[Region] = []
        for number, line in enumerate(text_lines(data), 1):
            if not line:
                continue
            try:
                regions.append(self._region(line))
            except Malformed as error:
                yield self.reject(entry, f"line {number}: {error}", "region")
        yield replace(scene, regions=tuple(regions))

    def _region(self, line: str) -> Region:
        match = _LINE.fullmatch(line)
        if match is None:
            raise Malformed(f"expected (x1,y1),(x2,y2),class; found {line[:80]!r}")
        x0, y0, x1, y1 = floats(match.groups()[:4])
        label = int(match[5])
        if not 1 <= label <= len(self.options.classes):
            raise Malformed(f"class {label} is not among the {len(self.options.classes)}")
        return Region(box=(x0, y0, x1, y1), **self.labels(self.options.classes[label - 1]))
