"""What `source.imagery` means: a folder of images, one image, a text file that lists some, or a list of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from geovec_data.errors import UserError
from geovec_data.paths import expanded
from geovec_data.rasters.formats import SUFFIXES

MAX_LIST = 256 << 20  # bytes


def imagery_at(given: Path | Sequence[Path], option: str) -> tuple[Path, tuple[str, ...] | None]:
    """Find the folder that holds the images, and which of its files they are.

    The folder of one image is its own; of a list it is the narrowest that holds all of them (of a text file: its own
    folder where that does). Names below it are what records call the images, so a list keeps them when it grows
    within that folder.

    Args:
        given: the value of the option; a path in it exists.
        option: how the user writes it, for messages.

    Returns:
        The folder, and source-relative posix paths; None: all images in the folder.

    Raises:
        UserError: a listed file does not exist, or nothing is listed.
    """
    if not isinstance(given, Path):
        return _common([(str(p), expanded(p).absolute()) for p in given], None, option)
    path = expanded(given)
    if path.is_dir():
        return path, None
    if path.suffix.lower() in SUFFIXES:
        return path.parent, (path.name,)
    if path.stat().st_size > MAX_LIST:
        raise UserError(f"{option}={path} is neither a folder, an image ({' '.join(SUFFIXES)}) nor a list of images")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{option}={path} is neither a folder, an image ({' '.join(SUFFIXES)}) nor a text file that lists some,"
            f" one path a line ({error})"
        ) from error
    listed = [
        (f"line {number} ({line.strip()})", Path(os.path.normpath(path.parent.absolute() / line.strip())))
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return _common(listed, path.parent.absolute(), f"{option}={path}")


def _common(listed: Sequence[tuple[str, Path]], home: Path | None, option: str) -> tuple[Path, tuple[str, ...] | None]:
    if not listed:
        raise UserError(f"{option} lists no image")
    missing = [said for said, path in listed if not path.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{option}: no such file: {missing[0]}{more}")
    paths = sorted({Path(os.path.normpath(path)) for _, path in listed})
    root = home if home is not None and all(p.is_relative_to(home) for p in paths) else None
    root = root or Path(os.path.commonpath([p.parent for p in paths]))
    return root, tuple(p.relative_to(root).as_posix() for p in paths)
