"""Layouts with one annotation file for each image, named like it (DOTA, YOLO, FAIR1M, VRSBench, NWPU VHR-10)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.readers._images import ImageFolders, check_patterns, wrong_layout
from geovec_data.readers._labels import LabelOptions, Labels
from geovec_data.readers._splits import OfficialImage, folder_split, stem_splits
from geovec_data.readers.base import Entry, Reader
from geovec_data.records import Reject, Scene
from geovec_data.untrusted.images import BadImage, read_label


class Malformed(Exception):
    """An annotation file or record that cannot be understood; its words become the reject's detail."""


class PairedOptions(LabelOptions):
    """Options of the readers of paired files."""

    annotations: tuple[str, ...] = Field(description="globs of the annotation files")
    images: tuple[str, ...] = Field(
        description="folders with the images; of several images of one name the one beside the annotation is taken"
    )
    split_files: dict[str, str] = Field(
        {}, description="official split files, lists of file names; empty: folders called train, val, test tell"
    )
    official_split: bool = Field(False, description="read the official split (split=official sets it)")


class PairedReader(Reader):
    """Pairs annotation files with images; a subclass parses the content."""

    Options = PairedOptions
    options: PairedOptions

    def __init__(self, root: Path, options: Any, corpus: str) -> None:
        super().__init__(root, options, corpus)
        self.labels = Labels(self.options)

    def entries(self) -> Iterator[Entry]:
        """List one entry per annotation file; see `Reader.entries`.

        Raises:
            UserError: no annotation file; two of them for one image; the official split files do not fit.
        """
        opts = self.options
        check_patterns("reader.annotations", opts.annotations)
        check_patterns("reader.images", opts.images)
        files = sorted(set(self.annotation_files()))
        if not files:
            raise wrong_layout(self.root, " or ".join(opts.annotations), self.layout)
        folders = ImageFolders(self.root, opts.images)
        splits: Mapping[str, OfficialImage] = {}
        if opts.official_split and opts.split_files:
            check_patterns("reader.split_files", list(opts.split_files.values()))
            splits = stem_splits(self.root, files, opts.split_files)
        owner: dict[str, str] = {}
        for file in files:
            image = nearest(file, folders.stemmed(PurePosixPath(file).stem))
            if image and owner.setdefault(image, file) != file:
                raise UserError(
                    f"{owner[image]} and {file} annotate the same image {image}; choose one kind of annotation, e.g."
                    f" 'reader.annotations=[{PurePosixPath(file).parent}/*{PurePosixPath(file).suffix}]'"
                )
            split = splits[file]["split"] if splits else folder_split(file)
            yield Entry(file, (file, image) if image else (file,), {"split": split} if split else None)

    def annotation_files(self) -> Iterator[str]:
        """Source-relative paths of the annotation files; hidden files are left out."""
        for pattern in self.options.annotations:
            for path in self.root.glob(pattern):
                if not path.name.startswith(".") and path.is_file():
                    yield path.relative_to(self.root).as_posix()

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Parse one annotation file; see `Reader.read`."""
        file = entry.files[0]
        if len(entry.files) > 1:
            path = key = entry.files[1]
        else:  # the checks reject the missing image, under the name of its annotation
            key = file
            folder = self.options.images[0] if self.options.images else "."
            path = PurePosixPath(folder, f"{PurePosixPath(file).stem}.png").as_posix()
        scene = Scene(key=key, corpus=self.corpus, path=path, split=(entry.payload or {}).get("split"))
        try:
            yield from self.parse(read_label(self.root, file), scene, entry)
        except BadImage as bad:
            yield self.reject(entry, bad.detail, code=bad.code)
        except (Malformed, OSError) as error:
            yield self.reject(entry, str(error))

    @abstractmethod
    def parse(self, data: bytes, scene: Scene, entry: Entry) -> Iterator[Scene | Reject]:
        """Yield the scene with all that its annotation says, and a reject for each record that says nothing.

        Args:
            data: content of the annotation file.
            scene: key, path and split are set.
            entry: for `reject`.

        Raises:
            Malformed: the file as a whole cannot be understood.
            BadImage: the image is needed (its size) and cannot be read.
        """

    def reject(
        self,
        entry: Entry,
        detail: str,
        level: Literal["scene", "region", "text"] = "scene",
        code: str = "bad_annotation",
    ) -> Reject:
        """A reject of this entry at the stage of reading.

        What is lost of a scene is told under the scene's own name, as the checks do, so that whoever reasons from what
        an image does not show finds it; the annotation file is named in the detail then.
        """
        file, key = entry.files[0], entry.files[-1]
        if level != "scene" and key != file:
            return Reject(
                corpus=self.corpus, path=key, stage="read", code=code, detail=f"{file}: {detail}", level=level
            )
        return Reject(corpus=self.corpus, path=entry.key, stage="read", code=code, detail=detail, level=level)


def nearest(file: str, images: Sequence[str]) -> str | None:
    """Return the image whose path begins most like the annotation's; the first of equals; None of none.

    FAIR1M numbers its training and its validation images from 0 each: the folder decides.
    """
    own = PurePosixPath(file).parts

    def common(image: str) -> int:
        parts = PurePosixPath(image).parts
        same = [a == b for a, b in zip(own, parts, strict=False)]
        return same.index(False) if False in same else len(same)

    return max(images, key=common) if images else None


def numbers(value: Any) -> tuple[float, ...]:
    """Convert a list of JSON numbers.

    Raises:
        Malformed: it is no list, or holds something else, or a number beyond every float.
    """
    if not isinstance(value, list) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
        raise Malformed(f"no list of numbers: {value!r}"[:120])
    try:
        return tuple(map(float, value))
    except OverflowError as error:
        raise Malformed(f"a number beyond all bounds: {error}") from error


def text_lines(data: bytes) -> list[str]:
    """Decode a text file (UTF-8, a byte order mark allowed) into stripped lines; empty ones are kept, to be counted.

    Raises:
        Malformed: it is no text.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"no UTF-8 text: {error}") from error
    if "\0" in text:
        raise Malformed("no text: it holds zero bytes")
    return [line.strip() for line in text.splitlines()]


def floats(words: Sequence[str]) -> tuple[float, ...]:
    """Convert the words of a line to numbers.

    Raises:
        Malformed: one is no number.
    """
    try:
        return tuple(map(float, words))
    except ValueError:
        raise Malformed(f"no numbers: {' '.join(words)!r}") from None
