"""Opening image files that strangers wrote: inside the root, of a bounded size, whole.

Pixels count as they are stored; an EXIF orientation is not applied, because boxes are not either.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

# JPEG first: PIL tries them in this order. Formats that start other programs (EPS) or are no photographs are left out.
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000")
EXTENSIONS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".jp2")
_DRIVE = re.compile(r"^[A-Za-z]:")
_DRAFT = 64  # a JPEG is decoded at the smallest scale that keeps this side; the perceptual hash needs 32


class BadImage(Exception):
    """An image that is refused; `code` is a word from `geovec_data.build.ledger.CODES`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def is_inside(path: str) -> bool:
    r"""Say whether a relative path, as written in an annotation, stays in its root: no ``..``, ``/…``, ``C:\…``."""
    parts = path.replace("\\", "/").split("/")
    return bool(path) and parts[0] != "" and ".." not in parts and "\0" not in path and not _DRIVE.match(path)


def confine(root: Path, path: str) -> Path:
    """Return ``root/path`` when it stays inside the root, symbolic links followed.

    Raises:
        BadImage: ``unsafe_path``.
    """
    return Path(_confined(str(root), path))


def _confined(root: str, path: str) -> str:
    """Do what `confine` says with strings: it is asked for every file of the corpus, and a `Path` costs more."""
    if not is_inside(path):
        raise BadImage("unsafe_path", f"path {path!r} does not stay inside the source root")
    full = f"{root}/{path}"
    folder, _, name = full.rpartition("/")
    base = _real_folder(root)
    real = os.path.realpath(full) if os.path.islink(full) else f"{_real_folder(folder)}/{name}"  # noqa: PTH114
    if real != base and not real.startswith(base.rstrip("/") + "/"):
        raise BadImage("unsafe_path", f"{path!r} is a symbolic link that leads out of the source root")
    return full


def read_label(root: Path, path: str) -> bytes:
    """Read a small annotation file of the corpus.

    Raises:
        BadImage: ``unsafe_path``.
        OSError: it cannot be read, or is a pipe or device.
    """
    data = _content(_confined(str(root), path), None)
    if data is None:
        raise OSError(errno.EINVAL, "a pipe or device, no file")
    return data


def _content(full: str, most: int | None) -> bytes | None:
    """Read a whole file; None for what is no file.

    Raises:
        BadImage: more than `most` bytes.
        OSError: it cannot be read.
    """
    # without waiting: opening a named pipe for reading would wait for its writer for ever
    descriptor = os.open(full, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        size = status.st_size
        if most is not None and size > most:
            raise BadImage("too_large", f"file has {size} bytes, the limit max_bytes is {most}")
        data = os.read(descriptor, size + 1)
        while len(data) < size and (more := os.read(descriptor, size - len(data))):  # one call reads 2 GB at most
            data += more
        return data
    finally:
        os.close(descriptor)


@lru_cache(maxsize=256)
def _real_folder(folder: str) -> str:
    """Resolve a folder once: its files are many, and only their last component can differ."""
    return os.path.realpath(folder)


def read_bytes(root: Path, path: str, max_bytes: int) -> bytes:
    """Read an image file of the corpus.

    Raises:
        BadImage: unsafe path, missing or unreadable file, zero or too many bytes.
    """
    full = _confined(str(root), path)
    try:
        data = _content(full, max_bytes)
    except (FileNotFoundError, NotADirectoryError):
        raise BadImage("missing_image", f"no such file under the source root: {path}") from None
    except OSError as error:
        raise BadImage("unreadable_image", f"cannot be read: {error.strerror or error}") from error
    if data is None:
        raise BadImage("unreadable_image", "a pipe or device, no file")
    if not data:
        raise BadImage("empty_file", "file has no bytes")
    return data


def open_image(data: bytes, max_pixels: int) -> Image.Image:
    """Open an encoded image: its header only, no pixel is decoded.

    Raises:
        BadImage: no known format, a broken header, or more pixels than allowed (a decompression bomb).
    """
    pillow_limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit is fixed and warns first; ours is checked before any decode
    try:
        with _quiet():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes; each becomes a reject with its words
        raise BadImage("unreadable_image", f"no readable image: {_words(error)}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = pillow_limit
    if isinstance(image, ImageFile):
        image.decodermaxblock = len(data)  # hand the decoder the whole file at once, not 64 kB at a time
    width, height = image.size
    if width * height > max_pixels:
        raise BadImage("too_large", f"{width}×{height} pixels, the limit max_pixels is {max_pixels}")
    if width < 1 or height < 1:
        raise BadImage("unreadable_image", f"image of {width}×{height} pixels")
    return image


def format_name(image: Image.Image) -> str:
    """Return the format's name; a camera's multi-picture JPEG counts as the JPEG that it starts with."""
    return "JPEG" if image.format == "MPO" else image.format or ""


def decode_gray(image: Image.Image) -> Image.Image:
    """Decode to 8-bit grey, a JPEG at reduced size: enough to prove the file whole and to hash it.

    Raises:
        BadImage: the pixels are broken or end early.
    """
    image.draft("L", (_DRAFT, _DRAFT))
    loaded = _load(image)
    return loaded if loaded.mode == "L" else to_eight_bit(loaded).convert("L")


def decode_pixels(image: Image.Image) -> Image.Image:
    """Decode fully to mode ``L`` or ``RGB`` (alpha dropped, deeper pixels stretched to 8 bits).

    Raises:
        BadImage: the pixels are broken or end early.
    """
    loaded = to_eight_bit(_load(image))
    return loaded if loaded.mode in ("L", "RGB") else loaded.convert("L" if loaded.mode in ("1", "LA") else "RGB")


def to_eight_bit(image: Image.Image) -> Image.Image:
    """Stretch 16-bit, 32-bit and float greys linearly to 0–255; other modes pass."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.float64)
    values = np.where(np.isfinite(values), values, 0.0)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings on odd metadata off the terminal; what matters it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _load(image: Image.Image) -> Image.Image:
    try:
        with _quiet():
            image.load()
    except MemoryError:
        raise
    except Exception as error:  # see open_image
        words = _words(error)
        code = "truncated_image" if "truncated" in words.lower() else "unreadable_image"
        raise BadImage(code, f"pixels cannot be decoded: {words}") from error
    return image


def _words(error: Exception) -> str:
    text = str(error).split(" <_io.")[0]  # Pillow names its memory buffer by address, which changes from run to run
    return f"{type(error).__name__}: {text}"
