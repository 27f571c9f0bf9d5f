"""Finding the image that belongs to an annotation, shared by the readers of folder layouts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from geovec_data.build.checks import CheckOptions
from geovec_data.errors import UserError
from geovec_data.rasters import georef
from geovec_data.rasters.georef import NoGeoreference
from geovec_data.records import Scene
from geovec_data.untrusted.images import EXTENSIONS, BadImage, confine, is_inside, open_image, read_bytes


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

    def paths(self) -> list[str]:
        """Return the paths of all images, folder by folder, in name order."""
        return [path for paths in self._stems.values() for path in paths]


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
    from geovec_data.rasters.file import header, opened
    from geovec_data.rasters.formats import Unreadable

    try:
        with opened(path) as raster:
            embedded = header(raster).embedded
    except Unreadable as error:
        raise NoGeoreference(str(error)) from error
    place = georef.place(path, name, embedded)
    if place.crosses():
        raise NoGeoreference("it lies across the antimeridian")
    lon, lat = place.center()
    return {
        "crs": place.crs,
        "transform": place.transform,
        "footprint": place.footprint(),
        "lon": lon,
        "lat": lat,
        "gsd": place.gsd(),
    }


def with_position(root: Path, scene: Scene) -> Scene:
    """Add the image's position where it has one; an image without keeps its labels and gets no position."""
    try:
        return replace(scene, **placed(confine(root, scene.path), scene.path))
    except (BadImage, NoGeoreference):
        return scene  # unsafe or broken files are rejected by the checks


def with_pixels(root: Path, scene: Scene) -> tuple[Scene, int, int]:
    """Read the image of a scene whose boxes are stated as shares of its sides.

    Returns:
        The scene with `data` set, so that the checks need not read it again; width and height in pixels.

    Raises:
        BadImage: it cannot be read, or is larger than any build should accept.
    """
    limits = CheckOptions()
    data = read_bytes(root, scene.path, limits.max_bytes)
    width, height = open_image(data, limits.max_pixels).size
    return replace(scene, data=data), width, height
