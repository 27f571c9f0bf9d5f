"""Finding the image that belongs to an annotation, shared by the readers of folder layouts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from geovec_data import georef
from geovec_data.errors import UserError
from geovec_data.georef import NoGeoreference
from geovec_data.images import EXTENSIONS, is_inside


class ImageFolders:
    """Image files of some folders of a corpus, listed once.

    Args:
        root: the corpus's folder.
        folders: source-relative folders, searched in this order; those that do not exist are skipped.
    """

    def __init__(self, root: Path, folders: Sequence[str]) -> None:
        self._names: dict[str, str] = {}
        self._stems: dict[str, list[str]] = {}
        self.folders = [f for f in folders if is_inside(f) and (root / f).is_dir()]
        for folder in self.folders:
            with os.scandir(root / folder) as entries:
                names = sorted(e.name for e in entries if e.name.lower().endswith(EXTENSIONS))
            for name in names:
                path = PurePosixPath(folder, name).as_posix()
                self._names.setdefault(name, path)
                self._stems.setdefault(name.rpartition(".")[0], []).append(path)

    def named(self, name: str) -> str | None:
        """Return the source-relative path of the file of this name, or None."""
        return self._names.get(name)

    def stemmed(self, stem: str) -> list[str]:
        """Return the paths of all images of this name without extension."""
        return self._stems.get(stem, [])


def listing(root: Path, limit: int = 8) -> str:
    """Say what a folder holds, for the message that names what was expected."""
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in root.iterdir())
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more if names else "nothing"


def check_patterns(key: str, patterns: Sequence[str]) -> None:
    """Refuse patterns and folders of a recipe that lead out of the root.

    Raises:
        UserError: naming the option.
    """
    for pattern in patterns:
        if not is_inside(pattern):
            raise UserError(f"{key}: '{pattern}' must be relative to the source root and stay inside it")


def wrong_layout(root: Path, expected: str, layout: str) -> UserError:
    """Build the error for a root of another layout: what was expected, what was found."""
    return UserError(
        f"{root} is not of the expected layout: no {expected}. Found: {listing(root)}. Expected:\n{layout}"
    )


def placed(path: Path, name: str) -> dict[str, Any]:
    """Return the position of an image as fields of a Scene.

    Args:
        path: the image file.
        name: its source-relative posix path.

    Raises:
        NoGeoreference: when nothing tells where the image lies, or what tells is broken.
    """
    from geovec_data.readers.raster_windows import Unreadable, header, opened

    try:
        with opened(path) as raster:
            embedded = header(raster).embedded
    except Unreadable as error:
        raise NoGeoreference(str(error)) from error
    place = georef.place(path, name, embedded)
    lon, lat = place.center()
    return {
        "crs": place.crs,
        "transform": place.transform,
        "footprint": place.footprint(),
        "lon": lon,
        "lat": lat,
        "gsd": place.gsd(),
    }
