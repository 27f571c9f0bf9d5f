"""DOTA's text files: one line of four corners, category and difficulty for each object."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from geovec_data.geometry.clip import bounds
from geovec_data.readers._paired import Malformed, PairedOptions, PairedReader, floats, text_lines
from geovec_data.readers.base import Entry
from geovec_data.records import Region, Reject, Scene

_HEADS = ("imagesource:", "gsd:", "acquisition dates:")


class DotaTxtOptions(PairedOptions):
    """Options of the reader `dota_txt`."""

    annotations: tuple[str, ...] = Field(
        (
            "labelTxt/*.txt",
            "*/labelTxt/*.txt",
            "*/labelTxt-v*/labelTxt/*.txt",
            "*/labelTxt-v*/DOTA-v*_train/*.txt",
            "*/labelTxt-v*/DOTA-v*_val/*.txt",
        ),
        description="globs of the label files; with labels of several DOTA versions side by side choose one",
    )
    images: tuple[str, ...] = Field(
        ("images", "train/images", "val/images", "train/images/images", "val/images/images"),
        description="folders with the images; of several images of one name the one beside the labels is taken",
    )


class DotaTxt(PairedReader):
    """Reads ``x1 y1 x2 y2 x3 y3 x4 y4 category difficult`` below the head lines ``imagesource:`` and ``gsd:``.

    Format: Xia et al., "DOTA: A Large-scale Dataset for Object Detection in Aerial Images" (CVPR 2018) and the
    authors' development kit. The corners are taken as pixels from the image's top left corner, unshifted: the quad
    becomes the polygon, its upright hull the box. Versions 1.0, 1.5 and 2.0 differ in categories and objects only.
    An object with difficulty 1 or 2 bears the attribute ``difficult``.
    """

    name = "dota_txt"
    layout = """\
<root>/
  train/images/P0000.png            or images/; DOTA 2.0 also .jpg
  train/labelTxt/P0000.txt          imagesource:… / gsd:… / x1 y1 x2 y2 x3 y3 x4 y4 category difficult
  val/images/  val/labelTxt/        the folders train and val are the official split"""
    Options = DotaTxtOptions
    options: DotaTxtOptions

    def parse(self, data: bytes, scene: Scene, entry: Entry) -> Iterator[Scene | Reject]:
        """Parse one label file; see `PairedReader.parse`."""
        regions: list[Region] = []
        gsd = None
        for number, line in enumerate(text_lines(data), 1):
            if line.lower().startswith(_HEADS):
                key, _, value = line.partition(":")
                gsd = _metres(value) if key.lower() == "gsd" else gsd
            elif line:
                try:
                    regions.append(self._region(line.split()))
                except Malformed as error:
                    yield self.reject(entry, f"line {number}: {error}", "region")
        yield replace(scene, regions=tuple(regions), gsd=gsd)

    def _region(self, words: list[str]) -> Region:
        if len(words) not in (9, 10):
            raise Malformed(f"expected 8 numbers, category and difficulty, found {' '.join(words)[:80]!r}")
        ring = floats(words[:8])
        difficult = len(words) == 10 and words[9] != "0"
        return Region(box=bounds(ring), polygon=ring, **self.labels(words[8], difficult=difficult))


def _metres(value: str) -> float | None:
    """Return the ground sample distance; DOTA writes ``null`` or ``None`` where it is not known."""
    try:
        metres = float(value)
    except ValueError:
        return None
    return metres if math.isfinite(metres) and metres > 0 else None
