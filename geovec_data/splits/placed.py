"""What a split knows of an image, and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass

UNUSED = "unused"
Assignment = tuple[str, str, str]  # image id, split, reason


@dataclass(frozen=True, slots=True)
class Placed:
    """What the split needs of an image.

    Attributes:
        image: id.
        corpus: recipe name.
        parent: lineage key in the corpus.
        origin: lineage key across corpora; by it images are hashed, so that corpora that share images agree.
        official: the corpus's own split of the image.
        objects: the official splits of its objects, where the corpus splits by object.
        bounds: x0, y0, x1, y1 in degrees (lon, lat) when `georeferenced`, else pixels of the parent.
        georeferenced: see `bounds`.
        place: name of where it lies at the level that is asked, or that scene attribute.
        captured: capture time, ISO 8601, as the corpus states it.
    """

    image: str
    corpus: str
    parent: str
    origin: str
    official: str | None = None
    objects: tuple[str, ...] = ()
    bounds: tuple[float, float, float, float] | None = None
    georeferenced: bool = False
    place: str | None = None
    captured: str | None = None
