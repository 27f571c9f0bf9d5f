"""The raster formats that are read, told by a file's first bytes."""

from __future__ import annotations

MAGIC = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),
    (b"MM\0+", "GTiff"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n", "PNG"),
    (b"\0\0\0\x0cjP  ", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
)
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".vrt")
SEQUENTIAL = ("JPEG", "PNG")  # decoded from the top down: a window costs all that lies above it


class Unreadable(Exception):
    """GDAL cannot read the raster, or no picture can be made of it; the message says why."""


class TooLarge(Unreadable):
    """Reading the raster would take more memory or time than any image should (a decompression bomb?)."""


def driver_of(head: bytes) -> str | None:
    """Name GDAL's driver for a file that starts with these bytes; None for any other file."""
    return next((driver for magic, driver in MAGIC if head.startswith(magic)), None)


def mask_file(name: str) -> str:
    """Name the file that may lie beside a raster and say which of its pixels hold data."""
    return f"{name}.msk"
