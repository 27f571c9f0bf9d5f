"""Which split an image belongs to. A pure function of the image and the options, whatever else is in the corpus.

- ``image``: by hash of the origin (the published image it is or was cut from, alike in all corpora), so that no image
  and no two chips of one image stand in two splits.
- ``official``: the corpus's own split; where it splits by object, one image can stand in several (that is reported).
- ``blocks``: square blocks of ground (or of the parent's pixels, where nothing is georeferenced) are hashed to a
  split; whatever lies within `buffer` of a block of a stricter split is left unused, so that no two splits touch.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from geovec_data.recipe import SPLITS, SplitOptions

UNUSED = "unused"
# within the buffer the test keeps its chips, then val, and train gives way
_STRICT = {"test": 0, "val": 1, "train": 2}
_METRES_PER_DEGREE = 111_195.0  # mean great-circle degree, R = 6371.0088 km


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
    """

    image: str
    corpus: str
    parent: str
    origin: str
    official: str | None
    objects: tuple[str, ...]
    bounds: tuple[float, float, float, float] | None
    georeferenced: bool


Assignment = tuple[str, str, str]  # image id, split, reason


def assign(images: Iterable[Placed], options: SplitOptions) -> Iterator[Assignment]:
    """Assign every image to a split; an official split by object can name several for one image."""
    if options.method == "official":
        for p in images:
            own = sorted(set(p.objects) or ({p.official} if p.official else set()))
            if own:
                yield from ((p.image, s, "official") for s in own)
            else:
                yield p.image, UNUSED, "no official split"
    elif options.method == "image":
        for p in images:
            yield p.image, pick(options, p.origin), "hash of origin"
    else:
        yield from _blocks(list(images), options)


def pick(options: SplitOptions, *key: str) -> str:
    """Choose a split by the hash of a key: equal keys and seeds give equal splits."""
    h = hashlib.sha256("\x1f".join((str(options.seed), *key)).encode()).digest()
    total = options.train + options.val + options.test
    point = int.from_bytes(h[:8], "big") / 2**64 * total
    for name, share in zip(SPLITS, (options.train, options.val, options.test), strict=True):
        if point < share:
            return name
        point -= share
    return "train"


@dataclass(frozen=True, slots=True)
class _Local:
    placed: Placed
    x0: float
    y0: float
    x1: float
    y1: float
    space: str
    split: str


def _local(p: Placed, options: SplitOptions) -> _Local | None:
    """Bring bounds to metres (a local equirectangular grid that no other image moves) or parent pixels."""
    if p.bounds is None:
        return None
    x0, y0, x1, y1 = p.bounds
    space = f"{p.corpus}/{p.parent}"
    if p.georeferenced:
        # One scale for each whole degree of latitude: blocks stay fixed on the ground, near enough to square.
        band = math.floor((y0 + y1) / 2)
        sx = _METRES_PER_DEGREE * math.cos(math.radians(band + 0.5))
        x0, x1, y0, y1 = x0 * sx, x1 * sx, y0 * _METRES_PER_DEGREE, y1 * _METRES_PER_DEGREE
        space = f"earth/{band}"
    block = f"{math.floor((x0 + x1) / 2 / options.block)},{math.floor((y0 + y1) / 2 / options.block)}"
    return _Local(p, x0, y0, x1, y1, space, pick(options, space, block))


def _blocks(images: list[Placed], options: SplitOptions) -> Iterator[Assignment]:
    cells: dict[tuple[str, int, int], list[_Local]] = defaultdict(list)
    placed: list[_Local] = []
    for p in images:
        spot = _local(p, options)
        if spot is None:
            yield p.image, pick(options, p.origin), "hash of origin (no position)"
            continue
        placed.append(spot)
        for cell in _cells(spot, options, 0.0):
            cells[cell].append(spot)
    for spot in placed:
        near = {
            other.split
            for cell in _cells(spot, options, options.buffer)
            for other in cells.get(cell, ())
            if _STRICT[other.split] < _STRICT[spot.split] and _gap(spot, other) < options.buffer
        }
        if near:
            yield spot.placed.image, UNUSED, f"buffer to {min(near, key=_STRICT.__getitem__)}"
        else:
            yield spot.placed.image, spot.split, "hash of block"


def _cells(s: _Local, options: SplitOptions, grow: float) -> Iterator[tuple[str, int, int]]:
    size = options.block
    for i in range(math.floor((s.x0 - grow) / size), math.floor((s.x1 + grow) / size) + 1):
        for j in range(math.floor((s.y0 - grow) / size), math.floor((s.y1 + grow) / size) + 1):
            yield s.space, i, j


def _gap(a: _Local, b: _Local) -> float:
    dx = max(a.x0 - b.x1, b.x0 - a.x1, 0.0)
    dy = max(a.y0 - b.y1, b.y0 - a.y1, 0.0)
    return math.hypot(dx, dy) if dx or dy else -1.0  # overlapping or touching counts as nearer than any buffer
