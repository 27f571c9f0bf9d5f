"""How completely a kind of thing is mapped around an image: only where it is, does "not on the map" mean "not there".

The estimator. The neighbourhood of an image is all blocks of a fixed grid of about 150 m that lie within three blocks
of it, wholly in the area that the labels cover, and do not have their centre in the image. The completeness of a noun
is the share of those blocks that hold something so called (or whose ancestor is so called); with fewer than eight
blocks nothing is claimed. Besides, the image itself must have something mapped (`Survey.believed`).

What has a number must also be about as usual in the image as around it: where a kind is much sparser than in those
blocks the map may have a hole, or the image a large thing instead of many, and no number is given (`Survey.count`);
where one or more are usual in an image and the map has none, nothing is denied either (`Survey.lacks`).

What it can and cannot tell. It measures whether mappers around here draw this kind of thing at all, not whether they
drew all of it: a block with one pool of ten counts as mapped. A kind that is rare or comes in clusters (an airport, a
pool in a town without gardens) never reaches a level however well it is mapped, so nothing is denied of it. Mapping
that ends within the image, or has a hole as small as the image, is not noticed unless the image is empty.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from geovec_data.osm.tags import meaning_of

BLOCK = 150.0  # metres
REACH = 3  # blocks to each side
LEAST_BLOCKS = 8
KEPT = 4096  # blocks remembered


@dataclass(frozen=True, slots=True)
class Around:
    """What the map has around an image.

    Attributes:
        share: noun → share of the blocks that hold something so called.
        density: noun → things so called in a square metre; those that reach into several blocks count in each.
        found: nouns of what the blocks hold, however few they are.
    """

    share: dict[str, float] = field(default_factory=dict)
    density: dict[str, float] = field(default_factory=dict)
    found: frozenset[str] = frozenset()


Bounds = tuple[float, float, float, float]
Block = tuple[int, int]
_STEP = BLOCK / 111_195.0  # degrees of latitude


class Completeness:
    """Completeness of nouns by place.

    Args:
        query: features whose bounds touch some bounds in degrees, as `LabelIndex.query`.
        covered: shapely area (lon, lat) that the labels cover.
        keys: tag keys that are heeded.
    """

    def __init__(self, query: Callable[[Bounds], Iterable[Any]], covered: Any, keys: tuple[str, ...]) -> None:
        import shapely

        self._query = query
        self._covered = covered
        shapely.prepare(self._covered)
        self._keys = keys
        self._blocks: OrderedDict[Block, Counter[str] | None] = OrderedDict()

    def around(self, footprint: Any) -> Around:
        """Return what the neighbouring blocks have; nothing where too few of them are covered.

        Args:
            footprint: shapely polygon of an image (lon, lat).
        """
        import shapely

        west, south, east, north = footprint.bounds
        found: Counter[str] = Counter()
        things: Counter[str] = Counter()
        blocks = 0
        for row in range(math.floor(south / _STEP) - REACH, math.floor(north / _STEP) + REACH + 1):
            step = _step_of(row)
            for column in range(math.floor(west / step) - REACH, math.floor(east / step) + REACH + 1):
                x, y = (column + 0.5) * step, (row + 0.5) * _STEP
                if west <= x <= east and south <= y <= north and shapely.contains_xy(footprint, x, y):
                    continue
                nouns = self._block((row, column))
                if nouns is not None:
                    blocks += 1
                    found.update(nouns.keys())
                    things.update(nouns)
        if blocks < LEAST_BLOCKS:
            return Around(found=frozenset(found))
        area = blocks * BLOCK**2
        return Around(
            {n: k / blocks for n, k in sorted(found.items())},
            {n: k / area for n, k in sorted(things.items())},
            frozenset(found),
        )

    def _block(self, block: Block) -> Counter[str] | None:
        """How many of each noun a block has, or None where the labels do not cover it."""
        if block not in self._blocks:
            self._blocks[block] = self._read(block)
            if len(self._blocks) > KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(block)
        return self._blocks[block]

    def _read(self, block: Block) -> Counter[str] | None:
        import shapely

        row, column = block
        step = _step_of(row)
        bounds = column * step, row * _STEP, (column + 1) * step, (row + 1) * _STEP
        area = shapely.box(*bounds)
        if not self._covered.covers(area):
            return None
        nouns: Counter[str] = Counter()
        for feature in self._query(bounds):
            if feature.geometry is None:
                continue
            meaning = meaning_of(feature.tags, self._keys, feature.asked_form)
            # most features lie wholly in the block, which their bounds tell at no cost
            if meaning is not None and (_inside(feature.bounds, bounds) or feature.geometry.intersects(area)):
                nouns.update(meaning.entry.label)
        return nouns


def _step_of(row: int) -> float:
    """Degrees of longitude that a block of this row is wide: as many metres as it is high."""
    return _STEP / max(math.cos(math.radians((row + 0.5) * _STEP)), 0.01)


def _inside(inner: Bounds, outer: Bounds) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]
