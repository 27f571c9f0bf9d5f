"""YOLO's text files: one line of class number and box, as shares of the image's sides, for each object (SIMD)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.geometry.clip import bounds
from geovec_data.readers._images import check_patterns, with_pixels, wrong_layout
from geovec_data.readers._paired import Malformed, PairedOptions, PairedReader, floats, text_lines
from geovec_data.readers.base import Entry
from geovec_data.records import Region, Reject, Scene


class YoloTxtOptions(PairedOptions):
    """Options of the reader `yolo_txt`."""

    annotations: tuple[str, ...] = Field(
        ("images/*.txt", "labels/*.txt", "*/labels/*.txt", "labels/*/*.txt"), description="globs of the label files"
    )
    images: tuple[str, ...] = Field(
        ("images", "train/images", "val/images", "test/images", "images/train", "images/val", "images/test"),
        description="folders with the images; of several images of one name the one beside the labels is taken",
    )
    classes: str = Field("classes.names", description="file of class names, one a line, in the order of their numbers")


class YoloTxt(PairedReader):
    """Reads ``class cx cy w h``, or ``class x1 y1 x2 y2 …`` for polygons, all between 0 and 1.

    Format: the Darknet framework (Redmon, https://pjreddie.com/darknet/yolo/), whose numbers are shares of the
    image's width and height; the polygon form is Ultralytics' (https://docs.ultralytics.com/datasets/obb/). The
    image is opened for its size. An image without a label file is no entry: nobody said what it shows; one with an
    empty file shows no object of any class.
    """

    name = "yolo_txt"
    layout = """\
<root>/
  classes.names                     one class a line
  images/0001.jpg  images/0001.txt  class cx cy w h, between 0 and 1; or labels/0001.txt"""
    Options = YoloTxtOptions
    options: YoloTxtOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per label file; see `PairedReader.entries`.

        Raises:
            UserError: also when the file of class names is missing, no text, or empty.
        """
        check_patterns("reader.classes", [self.options.classes])
        if not (self.root / self.options.classes).is_file():
            raise wrong_layout(self.root, f"{self.options.classes} (reader.classes=… names another)", self.layout)
        assert self.classes
        yield from super().entries()

    def annotation_files(self) -> Iterator[str]:
        """See `PairedReader.annotation_files`; the file of class names is none."""
        return (f for f in super().annotation_files() if f != self.options.classes)

    def shared(self) -> tuple[Path, ...]:
        """The file of class names; see `Reader.shared`."""
        return (self.root / self.options.classes,)

    @cached_property
    def classes(self) -> list[str]:
        """Class names in the order of their numbers."""
        path = self.root / self.options.classes
        try:
            lines = text_lines(path.read_bytes())
        except (OSError, Malformed) as error:
            raise UserError(f"the class names {path} cannot be read: {error}; name it with reader.classes=…") from error
        while lines and not lines[-1]:
            lines.pop()
        if not lines:
            raise UserError(f"the class names {path} are empty")
        return lines

    def parse(self, data: bytes, scene: Scene, entry: Entry) -> Iterator[Scene | Reject]:
        """Parse one label file; see `PairedReader.parse`."""
        scene, width, height = with_pixels(self.root, scene)
        regions: list[Region] = []
        for number, line in enumerate(text_lines(data), 1):
            if not line:
                continue
            try:
                regions.append(self._region(line.split(), width, height))
            except Malformed as error:
                yield self.reject(entry, f"line {number}: {error}", "region")
        yield replace(scene, regions=tuple(regions))

    def _region(self, words: list[str], width: int, height: int) -> Region:
        label, numbers = words[0], floats(words[1:])
        if not label.isdecimal() or len(label) > 9 or int(label) >= len(self.classes):
            raise Malformed(f"class {label!r} is not among the {len(self.classes)} of {self.options.classes}")
        fields = self.labels(self.classes[int(label)])
        if len(numbers) == 4:
            cx, cy, w, h = numbers
            x0, y0, x1, y1 = _pixels((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), width, height)
            return Region(box=(x0, y0, x1, y1), **fields)
        if len(numbers) < 6 or len(numbers) % 2:
            raise Malformed(f"expected class and 4 numbers, or the corners of a polygon; found {len(numbers)} numbers")
        ring = _pixels(numbers, width, height)
        return Region(box=bounds(ring), polygon=ring, **fields)


def _pixels(shares: Sequence[float], width: int, height: int) -> tuple[float, ...]:
    """Shares of the sides as pixels, to a hundredth: six decimals of a share tell no more of an image of 10,000 px."""
    return tuple(round(v * (height if i % 2 else width), 2) for i, v in enumerate(shares))
