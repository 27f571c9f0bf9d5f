"""What strangers' files look like when they go wrong: ways to spoil one file of a fixture, each with a name."""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2")
DEEP = 200_000  # brackets: far beyond any parser's recursion limit
BOMB = 60_000  # pixels a side: 10 GB once decoded

Spoil = Callable[[Path], None]

LAUGHS = "\n".join(
    [
        '<?xml version="1.0"?>',
        '<!DOCTYPE a [<!ENTITY l0 "ha">',
        *(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 21)),
        "]><annotation><filename>x.jpg</filename><object><name>&l20;</name></object></annotation>",
    ]
)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _pixels(mode: str, size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(3)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (size[1], size[0]), dtype=np.uint16))
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)


def bomb(side: int = BOMB) -> bytes:
    """A PNG of a few hundred bytes that claims `side` × `side` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except UnidentifiedImageError:  # many bands, or a fixture's own broken file
        return 64, 64


def _as(mode: str, kind: str) -> Spoil:
    """Other pixels of the same size in another mode, under the same name: readable, so no reason to refuse."""

    def spoil(path: Path) -> None:
        path.write_bytes(_encoded(_pixels(mode, _size(path)), kind))

    return spoil


def _link(target: str) -> Spoil:
    def spoil(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return spoil


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


# ways that leave no readable image: the entry must end in `rejects`
BROKEN_IMAGES: dict[str, Spoil] = {
    "zero bytes": lambda p: p.write_bytes(b"") and None,
    "cut in half": _cut,
    "a page of HTML": lambda p: p.write_text("<html>404 Not Found</html>") and None,
    "decompression bomb": lambda p: p.write_bytes(bomb()) and None,
    "link out of the root": _link("/etc/hostname"),
    "dangling link": _link("nowhere.jpg"),
    "a folder of that name": _folder,
}
# ways that leave an image which is only unusual
ODD_IMAGES: dict[str, Spoil] = {
    "CMYK": _as("CMYK", "JPEG"),
    "16 bit": _as("I;16", "PNG"),
    "paletted": _as("P", "PNG"),
    "alpha": _as("RGBA", "PNG"),
    "one bit": _as("1", "PNG"),
    "grey": _as("L", "JPEG"),
}


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    rng = random.Random(path.name)
    for _ in range(max(1, len(data) // 100)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(bytes(data))


def _strings(change: Callable[[str], str]) -> Spoil:
    """Change every string of a JSON file that names a file, else every such word of a text file."""

    def walk(value: object) -> object:
        if isinstance(value, dict):
            return {k: walk(v) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v) for v in value]
        return change(value) if isinstance(value, str) and value.lower().endswith(IMAGES) else value

    def spoil(path: Path) -> None:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        try:
            path.write_text(json.dumps(walk(json.loads(text))), encoding="utf-8")
        except ValueError:
            words = [change(w) if w.lower().endswith(IMAGES) else w for w in text.split(" ")]
            path.write_text(" ".join(words), encoding="utf-8", errors="surrogateescape")

    return spoil


# of annotations, lists and tables
ANNOTATIONS: dict[str, Spoil] = {
    "zero bytes": lambda p: p.write_bytes(b"") and None,
    "cut in half": _cut,
    "a byte order mark": lambda p: p.write_bytes(b"\xef\xbb\xbf" + p.read_bytes()) and None,
    "UTF-16": lambda p: p.write_bytes(p.read_bytes().decode("utf-8", "replace").encode("utf-16")) and None,
    "Latin-1 bytes": lambda p: p.write_bytes(p.read_bytes().replace(b"a", b"\xe9")) and None,
    "flipped bytes": _flip,
    "nested without end": lambda p: p.write_text("[" * DEEP) and None,
    "objects without end": lambda p: p.write_text('{"a":' * DEEP) and None,
    "billion laughs": lambda p: p.write_text(LAUGHS) and None,
    "path traversal": _strings(lambda s: "../../../../etc/" + s),
    "absolute paths": _strings(lambda s: "/etc/" + s),
    "Windows paths": _strings(lambda s: "C:\\data\\" + s),
    "null bytes": lambda p: p.write_bytes(p.read_bytes().replace(b"e", b"\0")) and None,
    "a JPEG": lambda p: p.write_bytes(_encoded(_pixels("RGB", (16, 16)), "JPEG")) and None,
}


def images_of(root: Path) -> list[Path]:
    """The image files of a fixture, sorted."""
    return sorted(p for p in root.rglob("*") if p.is_file() and p.suffix.lower() in IMAGES)


def annotations_of(root: Path) -> list[Path]:
    """The other files of a fixture, sorted."""
    return sorted(p for p in root.rglob("*") if p.is_file() and p.suffix.lower() not in IMAGES)
