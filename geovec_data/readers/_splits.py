"""Official split files: lists of object numbers (DIOR-RSVG), of file names (VOC, DIOR) or of images in folders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypedDict, TypeVar

from geovec_data.errors import UserError

_K = TypeVar("_K", int, str)
_OBJECT = re.compile(rb"<object[\s>]")


class OfficialObjects(TypedDict):
    """Payload of an XML file: the corpus-wide number of its first object, and each object's split."""

    first: int
    objects: list[str | None]


class OfficialImage(TypedDict):
    """Payload of an XML file whose image as a whole is in a split."""

    split: str | None


def object_splits(root: Path, files: Sequence[str], split_files: Mapping[str, str]) -> dict[str, OfficialObjects]:
    """Number all ``<object>`` elements in the order of the files and look each up in the split files.

    Method: the loader published with DIOR-RSVG counts objects over the XML files in name order; its ``train.txt``,
    ``val.txt`` and ``test.txt`` hold those numbers (26,991 + 3,829 + 7,500 = 38,320). Objects of one image can fall
    into different splits.

    Args:
        root: the corpus's folder.
        files: all XML files, source-relative, in name order.
        split_files: split name → source-relative file.

    Raises:
        UserError: a split file is missing, holds no numbers, or names an object that the XML files do not have (one
            absent XML file would shift every number behind it).
    """
    split_of: dict[int, str] = {}
    for split, name in split_files.items():
        for line in _lines(root, name):
            if not line.isdigit():
                raise UserError(
                    f"{root / name}: '{line}' is no object number; for lists of file names give reader.split_unit=image"
                )
            _put(split_of, int(line), split, root / name)
    out: dict[str, OfficialObjects] = {}
    first = 0
    for file in files:
        count = len(_OBJECT.findall((root / file).read_bytes()))
        out[file] = {"first": first, "objects": [split_of.get(i) for i in range(first, first + count)]}
        first += count
    if split_of and max(split_of) >= first:
        raise UserError(
            f"the split files name object {max(split_of)}, but the {len(files)} XML files of {root} hold only {first}"
            " objects: the corpus is incomplete and the official numbers cannot be matched; use split=image"
        )
    return out


def stem_splits(root: Path, files: Sequence[str], split_files: Mapping[str, str]) -> dict[str, OfficialImage]:
    """Look each XML file's name, without extension, up in the split files.

    Raises:
        UserError: a split file is missing or one name is in two of them.
    """
    stems = {f: PurePosixPath(f).stem for f in files}
    known = set(stems.values())
    split_of: dict[str, str] = {}
    for split, name in split_files.items():
        for line in _lines(root, name):
            # VOC's class lists add a number behind the name; SIMD's and NWPU's lists hold paths or file names
            _put(split_of, line if line in known else PurePosixPath(line.split()[0]).stem, split, root / name)
    return {f: {"split": split_of.get(stem)} for f, stem in stems.items()}


def image_splits(root: Path, images: Sequence[str], split_files: Mapping[str, str]) -> dict[str, str]:
    """Look up which list names each image: one a line, or in any column of a CSV file.

    An image may be named by its path from any folder on, with or without extension (EuroSAT's lists say ``.jpg`` for
    the GeoTIFFs too). Lines that name no image are passed over: headers, and images that this copy lacks.

    Returns:
        Image path → split, for the images that a list names.

    Raises:
        UserError: a list is missing, names no image at all, or an image is in two lists.
    """
    known: dict[str, str | None] = {}
    for image in images:
        for name in _endings(image):
            known[name] = image if name not in known else None  # None: several images are called so
    split_of: dict[str, str] = {}
    for split, file in split_files.items():
        found = 0
        for line in _lines(root, file):
            named = next((i for cell in (line, *line.split(",")) if (i := _look_up(cell, known))), None)
            if named is not None:
                _put(split_of, named, split, root / file)
                found += 1
        if not found:
            raise UserError(f"{root / file} names none of the {len(images)} images found; is it a list of this corpus?")
    return split_of


def _look_up(cell: str, known: Mapping[str, str | None]) -> str | None:
    return next(
        (image for name in _endings(cell.strip(" \t\"'").replace("\\", "/")) if (image := known.get(name))), None
    )


def _endings(path: str) -> list[str]:
    """``a/b/c.jpg``, ``a/b/c``, ``b/c.jpg``, ``b/c``, ``c.jpg``, ``c``."""
    parts = path.split("/")
    tails = ["/".join(parts[i:]) for i in range(len(parts))]
    return [name for tail in tails if tail for name in (tail, tail.rpartition(".")[0]) if name]


_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def folder_split(file: str) -> str | None:
    """Tell the official split from a path's folders: ``train/part1/0.xml``, ``Annotations_val/…``, ``val2017/…``."""
    for part in PurePosixPath(file).parts[:-1]:
        for word in (part, part.rpartition("_")[2]):
            if (split := _FOLDERS.get(word.lower().rstrip("0123456789"))) is not None:
                return split
    return None


def _lines(root: Path, name: str) -> list[str]:
    path = root / name
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors begin a file with a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the official split needs {path}, which cannot be read ({error}); name it with reader.split_files=… or"
            " use split=image"
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _put(split_of: dict[_K, str], key: _K, split: str, path: Path) -> None:
    if split_of.setdefault(key, split) != split:
        raise UserError(f"{path}: {key} is in the official {split_of[key]} split already")
