"""GDAL's virtual rasters, made safe: nothing but mosaics and stacks of image files that lie in the corpus's folder.

A VRT can name any file or address, run Python, or read raw bytes of a file as pixels
(https://gdal.org/en/stable/drivers/raster/vrt.html). So its XML is read here, elements that are not known to be
harmless are refused, sources are resolved and confined, and GDAL is given the result instead of the file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from geovec_data.rasters.formats import Unreadable, driver_of, mask_file

MAX_BYTES = 64 << 20
MAX_SOURCES = 100_000

_DROPPED = {
    "Metadata", "OverviewList", "Overview", "Histograms", "CategoryNames", "UnitType", "BlockXSize", "BlockYSize",
    "GCPList", "Offset", "Scale",
}  # fmt: skip
_KEPT = {
    "VRTDataset": {"SRS", "GeoTransform", "VRTRasterBand", "MaskBand"},
    "MaskBand": {"VRTRasterBand"},
    "VRTRasterBand": {
        "Description", "ColorInterp", "ColorTable", "NoDataValue", "HideNoDataValue", "SimpleSource", "ComplexSource",
        "MaskBand",
    },
    "ColorTable": {"Entry"},
    "SimpleSource": {"SourceFilename", "SourceBand", "SourceProperties", "SrcRect", "DstRect"},
    "ComplexSource": {
        "SourceFilename", "SourceBand", "SourceProperties", "SrcRect", "DstRect", "NODATA", "UseMaskBand",
        "ScaleOffset", "ScaleRatio", "LUT", "ColorTableComponent",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SafeVrt:
    """A virtual raster whose sources are known.

    Attributes:
        xml: what GDAL is to open; sources are absolute paths.
        sources: paths relative to the root, posix, each once, in the order of their first use.
    """

    xml: str
    sources: tuple[str, ...]


def is_vrt(head: bytes) -> bool:
    """Tell whether a file starts as a VRT does."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith((b"<VRTDataset", b"<?xml")) and (b"<VRTDataset" in text or len(text) > 1000)


def safe_vrt(path: Path, root: Path) -> SafeVrt:
    """Read a VRT and confine it; the last ones read are kept, as a large one is opened for each of its parts.

    Args:
        path: the file.
        root: folder in which its sources must lie.

    Raises:
        Unreadable: it is no VRT, does more than lay image files beside or over each other, or names a file outside
            the root, one that is not there, or one that is no image file.
    """
    status = path.stat()
    if status.st_size > MAX_BYTES:
        raise Unreadable(f"{path.name} is larger than {MAX_BYTES >> 20} MiB")
    return _read(path, root, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, root: Path, _size: int, _mtime: int) -> SafeVrt:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring, tostring

    try:
        tree = fromstring(path.read_bytes())
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Unreadable(f"{path.name} is not well-formed ({error})") from error
    if tree.tag != "VRTDataset":
        raise Unreadable(f"{path.name} is no VRT: its root is <{tree.tag}>")
    _prune(tree, path.name)
    sources: dict[str, Path] = {}
    for element in tree.iter("SourceFilename"):
        said = (element.text or "").strip()
        if said not in sources:
            sources[said] = _confined(said, path, root)
            if len(sources) > MAX_SOURCES:
                raise Unreadable(f"{path.name} has more than {MAX_SOURCES} sources")
        element.text = str(sources[said])
        element.attrib = {"relativeToVRT": "0"}
    _require_masks_named(path.name, set(sources.values()))
    base = root.resolve()
    names = tuple(dict.fromkeys(p.relative_to(base).as_posix() for p in sources.values()))
    return SafeVrt(tostring(tree, encoding="unicode"), names)


def _require_masks_named(name: str, sources: set[Path]) -> None:
    """Refuse sources with a mask in a file beside them that the VRT does not name: GDAL is kept from looking for it."""
    for source in sources:
        mask = source.with_name(mask_file(source.name))
        if mask not in sources and mask.is_file():
            raise Unreadable(
                f"{name}: the mask of its source {source.name} lies beside that in {mask.name}, where it is not read"
                " through a VRT; put it into the file (gdal_translate with GDAL_TIFF_INTERNAL_MASK=YES)"
            )


def _prune(element: Any, name: str) -> None:
    """Drop what is of no use here; refuse what is not known."""
    if element.get("subClass", "VRTSourcedRasterBand") != "VRTSourcedRasterBand":
        raise Unreadable(f"{name} is of the kind {element.get('subClass')}, which is not read; make it a GeoTIFF")
    allowed = _KEPT.get(element.tag, set())
    for child in list(element):
        if child.tag in _DROPPED:
            element.remove(child)
        elif child.tag not in allowed:
            raise Unreadable(f"{name}: <{child.tag}> in <{element.tag}> is not read; make it a GeoTIFF")
        else:
            _prune(child, name)


def _confined(said: str, vrt: Path, root: Path) -> Path:
    """Return the real path of a source."""
    if not said or "\0" in said:
        raise Unreadable(f"{vrt.name} has a source without a name")
    real = Path(os.path.realpath(vrt.parent / said))
    if not real.is_relative_to(root.resolve()):
        raise Unreadable(f"{vrt.name}: its source {said[:200]} does not lie in {root.name or 'the folder'}")
    try:
        if not real.is_file():  # a named pipe would be waited for
            raise Unreadable(f"{vrt.name}: its source {said[:200]} does not exist")
        with real.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise Unreadable(f"{vrt.name}: its source {said[:200]} cannot be opened ({error.strerror})") from error
    if driver_of(head) is None:
        raise Unreadable(f"{vrt.name}: its source {said[:200]} is not a TIFF, JPEG, PNG or JPEG 2000 file")
    return real
