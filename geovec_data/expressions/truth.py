"""Three-valued truth of every predicate for all regions of a scene at once: 1 yes, 0 undecided, −1 no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from geovec_data.expressions import model as m
from geovec_data.expressions.colour import LOOK_ALIKES
from geovec_data.geometry.boxes import area as box_area
from geovec_data.records import Region

Truth = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]


def between(value: Floats, yes: float, no: float) -> Truth:
    """Yes up to `yes`, no from `no` on; for ``yes > no`` the other way round."""
    if yes > no:
        value, yes, no = -value, -yes, -no
    return np.where(value <= yes, 1, np.where(value >= no, -1, 0)).astype(np.int8)


def polygon_area(ring: Sequence[float]) -> float:
    """Area of a simple ring ``(x, y, x, y, …)`` by the shoelace formula."""
    points = np.asarray(ring, dtype=np.float64).reshape(-1, 2)
    x, y = points[:, 0], points[:, 1]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What is known of a scene beyond its regions.

    Attributes:
        bystanders: things that are no regions and may yet be taken for one: cut off, or too small to be told. Nothing
            is said of them, and nothing that could be meant of one is said of a region.
        whole: categories of which all things are among the regions and bystanders; None: every category.
        colours: share of each colour name among a region's pixels, per region, empty where it is not to be told; None:
            as the pixels have it.
    """

    bystanders: tuple[Region, ...] = ()
    whole: frozenset[str] | None = None
    colours: Sequence[Mapping[str, float]] | None = None


def _area(region: Region) -> float:
    """Area of the whole object in square pixels; an outline that ends with the box was cut with it."""
    if not region.polygon:
        return box_area(region.box) / region.visible
    xs, ys = region.polygon[::2], region.polygon[1::2]
    x0, y0, x1, y1 = region.box
    cut = min(xs) >= x0 - 1 and min(ys) >= y0 - 1 and max(xs) <= x1 + 1 and max(ys) <= y1 + 1
    return polygon_area(region.polygon) / (region.visible if cut else 1.0)


class Predicates:
    """The predicates over the regions of one scene, each computed once.

    Args:
        regions: the scene's regions; boxes inside the image.
        width: image width in pixels.
        height: image height in pixels.
        colours: share of each colour name among a region's pixels, per region; None: the pixels are not known.
        beyond: what else is known of the scene.
    """

    def __init__(
        self,
        regions: Sequence[Region],
        width: float,
        height: float,
        colours: Sequence[Mapping[str, float]] | None = None,
        beyond: Beyond | None = None,
    ) -> None:
        beyond = beyond or Beyond()
        self.own = len(regions)
        self.regions = regions = (*regions, *beyond.bystanders)
        self.whole = beyond.whole
        self.size = np.array([width, height], dtype=np.float64)
        self.boxes: Floats = np.array([r.box for r in regions], dtype=np.float64).reshape(-1, 4)
        self.centres: Floats = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        self.colours = None if colours is None else [*colours, *({} for _ in beyond.bystanders)]
        # a thin diagonal roof fills little of its box, so the outline counts where it is known; of an object that
        # the image cuts, the area lies between what is seen and the whole
        whole = np.array([_area(r) for r in regions])
        seen = whole * np.array([r.visible for r in regions])
        self.areas: tuple[Floats, Floats] = (seen, whole)
        self._cache: dict[tuple[object, ...], Truth] = {}

    def _once(self, key: tuple[object, ...], truth: Truth) -> Truth:
        self._cache[key] = truth
        return truth

    def category(self, name: str) -> Truth:
        """Yes for the category and for what it is an ancestor of.

        Undecided for a region that carries only a broader name: in OpenStreetMap a ``building`` may well be
        a house that nobody tagged as one.
        """
        key = ("category", name)
        if key in self._cache:
            return self._cache[key]
        broader = {a for r in self.regions if r.category == name for a in r.ancestors}
        truth = np.array(
            [1 if name in (r.category, *r.ancestors) else 0 if r.category in broader else -1 for r in self.regions],
            dtype=np.int8,
        )
        np.minimum(truth[self.own :], 0, out=truth[self.own :])
        return self._once(key, truth)

    def is_whole(self, name: str) -> bool:
        """Tell whether all things so called are among the regions, so that they can be numbered."""
        return self.whole is None or name in self.whole

    def attribute(self, name: str, value: str) -> Truth:
        """Undecided where the attribute is not stated: untagged is not absent."""
        key = ("attribute", name, value)
        if key in self._cache:
            return self._cache[key]
        stated = [dict(r.attributes).get(name) for r in self.regions]
        return self._once(key, np.array([0 if s is None else 1 if s == value else -1 for s in stated], dtype=np.int8))

    def colour(self, name: str) -> Truth:
        """By the share of pixels; look-alike colours leave it undecided."""
        key = ("colour", name)
        if key in self._cache:
            return self._cache[key]
        if self.colours is None:
            return self._once(key, np.zeros(len(self.regions), np.int8))
        own = np.array([c.get(name, 0.0) for c in self.colours])
        like = own + np.array([sum(c.get(n, 0.0) for n in LOOK_ALIKES[name]) for c in self.colours])
        known = np.array([bool(c) for c in self.colours])
        truth = np.where(own >= m.COLOUR_YES, 1, np.where((like <= m.COLOUR_NO) & known, -1, 0))
        return self._once(key, truth.astype(np.int8))

    def large(self, size: m.Size, category: str) -> Truth:
        """Against the median area of the regions that surely are of the category."""
        key = ("size", size, category)
        if key in self._cache:
            return self._cache[key]
        seen, whole = self.areas
        own = whole[self.category(category) == 1]
        if len(own) < m.SIZE_NEEDS:
            return self._once(key, np.zeros(len(self.regions), np.int8))
        usual = np.median(own)
        if size == "large":
            yes, no = seen >= m.SIZE_YES * usual, whole <= m.SIZE_NO * usual
        else:
            yes, no = whole <= usual / m.SIZE_YES, seen >= usual / m.SIZE_NO
        return self._once(key, np.where(yes, 1, np.where(no, -1, 0)).astype(np.int8))

    def place(self, name: m.Place) -> Truth:
        """Where the centre lies in the image."""
        key = ("place", name)
        if key in self._cache:
            return self._cache[key]
        truth = np.ones(len(self.regions), np.int8)
        for axis, third in enumerate(m.PLACES[name]):
            at = self.centres[:, axis] / self.size[axis]
            if third == 0:
                truth = np.minimum(truth, between(at, m.THIRD_YES, m.THIRD_NO))
            elif third == 1:
                truth = np.minimum(truth, between(np.abs(at - 0.5), m.MIDDLE_YES, m.MIDDLE_NO))
            elif third == 2:
                truth = np.minimum(truth, between(1 - at, m.THIRD_YES, m.THIRD_NO))
        return self._once(key, truth)

    def edge(self, side: m.Side) -> Truth:
        """Whether the box reaches that side of the image."""
        key = ("edge", side)
        if key in self._cache:
            return self._cache[key]
        axis = 0 if side in ("left", "right") else 1
        far = self.boxes[:, axis] if side in ("left", "top") else self.size[axis] - self.boxes[:, axis + 2]
        no = max(m.EDGE_NO * self.size[axis], 2 * m.EDGE_YES_PX)
        return self._once(key, between(far, m.EDGE_YES_PX, no))

    def direction(self, name: m.Direction, anchor: int) -> Truth:
        """Where the centre lies as seen from the anchor's; undecided while it lies in the anchor's own box."""
        key = ("direction", name, anchor)
        if key in self._cache:
            return self._cache[key]
        dx, dy = (self.centres - self.centres[anchor]).T
        off = np.abs((np.degrees(np.arctan2(dy, dx)) - m.DIRECTIONS[name] + 180) % 360 - 180)
        straight = m.DIRECTIONS[name] % 90 == 0
        truth = between(
            off,
            m.STRAIGHT_YES if straight else m.DIAGONAL_YES,
            m.STRAIGHT_NO if straight else m.DIAGONAL_NO,
        )
        x0, y0, x1, y1 = self.boxes[anchor]
        x, y = self.centres.T
        truth[(x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)] = 0
        truth[anchor] = -1
        return self._once(key, truth)

    def distances(self, anchor: int) -> tuple[Floats, Floats]:
        """Distance of every region to the anchor, in pixels: between centres, and between the boxes."""
        centre = np.hypot(*(self.centres - self.centres[anchor]).T)
        gap = np.maximum(
            0, np.maximum(self.boxes[anchor, :2] - self.boxes[:, 2:], self.boxes[:, :2] - self.boxes[anchor, 2:])
        )
        return centre, np.hypot(*gap.T)

    @cached_property
    def solitude(self) -> Floats:
        """Distance in pixels from each centre to the nearest other centre."""
        n = len(self.regions)
        out = np.full(n, np.inf)
        for i in range(n if n > 1 else 0):
            distance = np.hypot(*(self.centres - self.centres[i]).T)
            distance[i] = np.inf
            out[i] = distance.min()
        return out
