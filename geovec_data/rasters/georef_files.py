"""The files beside an image that say where it lies: GDAL's sidecar, world files, ``.prj``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

Affine = tuple[float, float, float, float, float, float]

MAX_SIDECAR_BYTES = 16 << 20


class NoGeoreference(Exception):
    """The image cannot be placed; the message says what was looked for or what is wrong."""


def sidecars(path: str) -> tuple[str, ...]:
    """Return the names that can hold an image's georeferencing, from most to least trusted; few of them exist.

    The order is GDAL's: PAM ``.aux.xml``, then world files (``.pgw``, ``.pngw``, ``.wld``) and ``.prj``.
    """
    stem, dot, suffix = path.rpartition(".")
    if not dot:
        return (f"{path}.aux.xml",)
    world = (f"{suffix[0]}{suffix[-1]}w", f"{suffix}w") if len(suffix) > 1 else (f"{suffix}w",)
    upper = suffix.isupper()
    names = [f"{stem}.{w.upper() if upper else w}" for w in (*world, "wld", "prj")]
    return (f"{path}.aux.xml", f"{stem}.aux.xml", *names)


def _existing(path: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for name in sidecars(path.name):
        if name.lower().endswith(suffixes):
            file = path.with_name(name)
            if file.is_file():
                yield file


def _numbers(text: str, want: int, file: Path) -> list[float]:
    try:
        values = [float(v) for v in text.replace(",", " ").split()]
    except ValueError as error:
        raise NoGeoreference(f"{file.name} holds something other than numbers ({error})") from error
    if len(values) != want:
        raise NoGeoreference(f"{file.name} holds {len(values)} numbers, not {want}")
    return values


def _text(file: Path) -> str:
    if file.stat().st_size > MAX_SIDECAR_BYTES:
        raise NoGeoreference(f"{file.name} is larger than {MAX_SIDECAR_BYTES >> 20} MiB")
    return file.read_text(encoding="utf-8", errors="replace")


def read_sidecar(path: Path) -> tuple[Affine, str | None] | None:
    """Read GDAL's PAM sidecar (https://gdal.org/en/stable/drivers/raster/…; XML ``PAMDataset``)."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    for file in _existing(path, (".aux.xml",)):
        try:
            root = fromstring(_text(file))
        except (ParseError, DefusedXmlException, ValueError) as error:
            raise NoGeoreference(f"{file.name} is not well-formed ({error})") from error
        if transform := root.findtext("GeoTransform"):
            c, a, b, f, d, e = _numbers(transform, 6, file)
            return (a, b, c, d, e, f), (root.findtext("SRS") or "").strip() or None
    return None


def read_world_file(path: Path) -> Affine | None:
    """Read a world file: six lines a, d, b, e and the *centre* of the top-left pixel; moved to its corner here."""
    for file in _existing(path, ("w", ".wld")):
        a, d, b, e, x, y = _numbers(_text(file), 6, file)
        return a, b, x - (a + b) / 2, d, e, y - (d + e) / 2
    return None


def prj(path: Path) -> str | None:
    """Read the CRS that a ``.prj`` file beside the image gives as WKT."""
    return next((_text(file) for file in _existing(path, (".prj",))), None)
