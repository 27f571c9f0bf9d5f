"""What a map says of one image beyond its regions: everything in it that can be seen, and what may be denied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from geovec_data.osm.tag_table import Entry
from geovec_data.records import Region

CLEAR = 0.5  # share of an object inside the image from which it is counted
AS_USUAL = 0.5  # of the things that an image around here has, an image must have so many to give them a number
MANY_USUAL = 1.0  # where an image around here has so many, none is not believed
LEAST_SHARE = 0.02  # share of the image that a cover, a line or a cut object must have to be certainly seen
VAGUE = frozenset({"vegetation", "path", "park", "pedestrian area", "pedestrian street", "recreation ground"})
"""Kinds that a map may lack where an image seems to show them: trees hide them, nobody maps each of them, or what is
one is a matter of its name. Nothing is denied of them and they have no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One feature of the map as the image shows it.

    Attributes:
        entry: how it reads.
        form: what it is on the map; the touching lines of one name are one thing.
        share: of the image that it covers, 0–1.
        visible: share of its area that lies in the image; 1 for lines, whose ways end anywhere.
        box: of the part inside, pixels ``x0, y0, x1, y1``.
        whole: area in square metres, the part outside included.
        seen: area in square metres, the part inside.
        sure: it is large enough in pixels to be told.
        shape: shapely geometry of the part inside, pixels; None: its box.
    """

    entry: Entry
    form: Literal["area", "line", "point"]
    share: float
    visible: float
    box: tuple[float, float, float, float]
    whole: float
    seen: float
    sure: bool
    shape: Any = None

    @property
    def outline(self) -> Any:
        """The part inside as shapely geometry, pixels."""
        import shapely

        return self.shape if self.shape is not None else shapely.box(*self.box)

    @property
    def counts(self) -> bool:
        """Whether it is counted: large enough to be told, and at least half of it inside the image."""
        return self.sure and self.visible >= CLEAR

    @property
    def certain(self) -> bool:
        """Whether anybody sees it: it is counted, or what is cut of it still covers a fiftieth of the image."""
        enough = self.share >= LEAST_SHARE
        return self.sure and (enough if self.form == "line" or self.entry.zone else self.visible >= CLEAR or enough)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All things of an image.

    Attributes:
        things: those that touch it.
        width: of the image in pixels.
        height: of the image in pixels.
        gsd: metres a pixel.
        complete: noun → completeness of it around the image, see `geovec_data.osm.completeness`.
        density: noun → things so called in a square metre around the image.
        level: completeness from which a noun's absence and number are believed.
        stated: nouns of which the user states that the map lacks none, see `geovec_data.osm.stated`.
    """

    things: tuple[Thing, ...]
    width: int
    height: int
    gsd: float
    complete: dict[str, float] = field(default_factory=dict)
    density: dict[str, float] = field(default_factory=dict)
    level: float = 1.0
    stated: frozenset[str] = frozenset()

    def named(self, noun: str) -> list[Thing]:
        """Return the things that are called so, by name or by an ancestor."""
        return [t for t in self.things if noun in t.entry.label]

    def undecided(self, noun: str) -> bool:
        """Tell whether a thing may be so called though the map does not say it: it has only a broader name."""
        broader = {a for t in self.named(noun) for a in _above(t.entry, noun)} | set(self._ancestors(noun))
        return any(t.entry.name in broader for t in self.things)

    def believed(self, noun: str) -> bool:
        """Tell whether the map around knows this noun so well that what it does not show here is not here.

        Where that is measured the image itself must be mapped, too: by something that is a thing and not a use of land.
        """
        if noun in self.stated:
            return True
        worked_on = any(not t.entry.zone and t.form != "point" for t in self.things)
        return worked_on and self.complete.get(noun, 0.0) >= self.level

    def lacks(self, noun: str) -> bool:
        """Tell whether surely nothing here is so called: the map would know, and not many are usual around here.

        None where many are usual is as likely a hole in the map, or one large thing that holds them all.
        """
        usual = noun not in self.stated and self._usual(noun) >= MANY_USUAL
        return self.believed(noun) and not usual and not self.undecided(noun) and not self.named(noun)

    def count(self, noun: str) -> int | None:
        """Return how many there are, or None where that cannot be said: see `believed`, `undecided`, `_usual`."""
        found = self.named(noun)
        unclear = any(not t.sure and t.visible >= CLEAR for t in found)  # of one that is less in the image no one asks
        if self.undecided(noun) or not self.believed(noun) or unclear:
            return None
        kin = (noun, *self._ancestors(noun))
        if noun not in self.stated and any(len(self.named(n)) < AS_USUAL * self._usual(n) for n in kin):
            return None
        return sum(t.counts for t in found)

    def _usual(self, noun: str) -> float:
        """How many things so called an image of this size has around here."""
        return self.density.get(noun, 0.0) * self.width * self.height * self.gsd**2

    def share(self, noun: str) -> float:
        """Return the share of the image that things so called cover; overlaps are counted twice, at most to 1."""
        return min(1.0, sum(t.share for t in self.named(noun)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the things that anybody sees, each once, in order."""
        return tuple(sorted({t.entry.name for t in self.things if t.certain}))

    @property
    def known(self) -> frozenset[str]:
        """The nouns that absence and number can be asked of: those around the image, those stated."""
        return self.stated.union(self.complete)

    @cached_property
    def whole(self) -> frozenset[str]:
        """The nouns of which the map knows all that there are in the image, as far as `believed` goes."""
        return frozenset(n for n in self.known if self.believed(n) and not VAGUE & {n, *self._ancestors(n)})

    def beyond(self, regions: Iterable[Region]) -> tuple[Region, ...]:
        """Return the things that are none of these regions: cut off, too small, too large, lines or points."""
        known = {_key(r.category, r.box) for r in regions}
        return tuple(
            Region(box=t.box, category=t.entry.name, ancestors=t.entry.of, visible=t.visible)
            for t in self.things
            if _key(t.entry.name, t.box) not in known
        )

    def thing_of(self, region: Region) -> Thing | None:
        """Return the thing that a region was made of."""
        return next((t for t in self.things if _key(t.entry.name, t.box) == _key(region.category, region.box)), None)

    def without_sight_of(self, regions: Iterable[Region]) -> Survey:
        """Return the survey with the things that these regions were made of as none that can be told."""
        hidden = {_key(r.category, r.box) for r in regions}
        things = (replace(t, sure=False) if _key(t.entry.name, t.box) in hidden else t for t in self.things)
        return replace(self, things=tuple(things)) if hidden else self

    def _ancestors(self, noun: str) -> tuple[str, ...]:
        from geovec_data.osm.tag_table import table

        entry = table().nouns.get(noun)
        return entry.of if entry else ()


def _key(name: str, box: tuple[float, float, float, float]) -> tuple[str, tuple[float, ...]]:
    return name, tuple(round(v, 3) for v in box)  # as regions have it


def _above(entry: Entry, noun: str) -> tuple[str, ...]:
    at = entry.label.index(noun)
    return entry.label[at + 1 :]
