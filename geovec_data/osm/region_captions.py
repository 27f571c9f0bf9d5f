"""Captions of single regions from a map: what the thing is, its size, form and roof, and what lies around it.

A caption says what a region is and need not single it out, as a referring expression does (`geovec_data.expressions`):
it begins with "a", not "the", and never says where in the image the region lies. Names are left out: an image does
not show them. What is said of the surroundings is what the map has there; that nothing else is there is never said.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from geovec_data.osm.captions import placed_in
from geovec_data.osm.outline import shape_of
from geovec_data.osm.survey import Survey, Thing
from geovec_data.records import Region
from geovec_data.words import with_article

_SMALL, _LARGE = 50.0, 1500.0  # square metres up to which a building is small, from which it is large
_TALL_LEVELS, _TALL_METRES = 10, 35.0
_UNCUT = 0.98  # visible share from which the form of the part inside is the form of the thing
_CUT = 0.85  # visible share below which a thing is said to be cut off
_SHARE = 0.08  # of the image, from which it is worth saying
_HOLDS = 0.9  # share of a region that lies in a zone or cover, for it to lie there
_BESIDE = 8.0  # metres between outlines that lie beside one another
_TOUCH = 0.3  # metres between buildings that are built together
_CROWD, _CROWD_REACH = 4, 12.0  # so many other buildings so near (metres) surround one
_COLOUR = 0.6  # share of a roof's pixels; as in expressions, and a little more
_ROOFS = {"flat": "flat", "gabled": "gabled", "hipped": "hipped", "skillion": "sloping", "dome": "domed"}
_SURFACES = {
    "grass": "grass", "clay": "clay", "sand": "sand", "asphalt": "asphalt", "concrete": "concrete", "gravel": "gravel",
    "artificial_turf": "artificial turf", "paving_stones": "paved", "wood": "wooden",
}  # fmt: skip
_SURFACED = ("sports ground", "parking lot", "pedestrian area", "playground")
_COLOURED = ("gray", "white", "red", "green", "blue")  # "black" is mostly shadow
_NEIGHBOURS = (
    "road", "major road", "railway track", "water body", "waterway", "parking lot", "park", "sports ground",
    "swimming pool", "cemetery", "playground", "pier", "pedestrian area",
)  # fmt: skip
_SUBJECT = ("{it}", "an aerial view of {it}", "{it}, seen from above")


def region_captions(
    region: Region, survey: Survey, colours: Mapping[str, float], rng: random.Random
) -> tuple[str, ...]:
    """Word one or two captions of a region, different in construction.

    Args:
        region: one that the survey has among its things.
        survey: what the map has in the image.
        colours: colour name → share of the region's pixels; empty: not known.
        rng: chooses among wordings of one meaning.
    """
    thing = survey.thing_of(region)
    if thing is None:
        return ()
    noun = rng.choice((thing.entry.name, *thing.entry.also)) if rng.random() < 0.3 else thing.entry.name
    size, form = _size(thing, region.tags), _form(thing)
    form = "narrow" if (size, form) == ("small", "long") else form
    details, around = _details(thing, region.tags, colours), _around(thing, survey, rng)
    it = with_article(" ".join(filter(None, [size, form, *details.before, noun]))) + details.after
    first = rng.choice(_SUBJECT).format(it=it)
    if around:
        first = f"{it}{',' if details.after else ''} {rng.choice(around)}"  # it is not the roof that stands there
    out = [first]
    told = [*_extent(thing, survey), *_cut(thing, survey)]
    if told or len(around) > 1:
        plain = with_article(" ".join(filter(None, [form, noun])))
        rest = rng.choice([*told, *[a for a in around if a not in first]] or around)
        out.append(f"{plain} {rest}")
    return tuple(dict.fromkeys(out))


class _Details:
    """What is said before the noun, and after it."""

    def __init__(self) -> None:
        self.before: list[str] = []
        self.after = ""


def _details(thing: Thing, tags: Mapping[str, str], colours: Mapping[str, float]) -> _Details:
    out, label = _Details(), thing.entry.label
    if "building" in label:
        colour = next((c for c in _COLOURED if colours.get(c, 0.0) >= _COLOUR), "")
        roof = " ".join(filter(None, [colour, _ROOFS.get(tags.get("roof:shape", ""), "")]))
        if roof and "roof" not in label:
            out.after = f" with {with_article(roof)} roof"
    elif set(label) & set(_SURFACED) and (surface := _SURFACES.get(tags.get("surface", ""))):
        out.before.append(surface)
    return out


def _size(thing: Thing, tags: Mapping[str, str]) -> str:
    if "building" not in thing.entry.label:
        return ""
    if _number(tags.get("building:levels")) >= _TALL_LEVELS or _number(tags.get("height")) >= _TALL_METRES:
        return "tall"
    return "small" if thing.whole <= _SMALL else "large" if thing.seen >= _LARGE else ""


def _form(thing: Thing) -> str:
    told = thing.form == "area" and thing.visible >= _UNCUT and thing.sure
    return (shape_of(thing.outline) or "") if told else ""


def _extent(thing: Thing, survey: Survey) -> list[str]:
    if thing.share >= 0.9:
        return ["that fills the image"]
    if thing.share >= _SHARE:
        return [f"that takes up about {max(round(thing.share * 20) * 5, 10)} percent of the image"]
    if thing.form == "area" and thing.visible >= _UNCUT and survey.gsd > 0:
        area = thing.whole
        return [f"of about {round(area, -1 if area < 200 else -2):,.0f} square metres"] if area >= 20 else []
    return []


def _cut(thing: Thing, survey: Survey) -> list[str]:
    if thing.visible >= _CUT or thing.form != "area":
        return []
    x0, y0, x1, y1 = thing.box
    at = [("left", x0 <= 1), ("right", x1 >= survey.width - 1), ("top", y0 <= 1), ("bottom", y1 >= survey.height - 1)]
    cut = [side for side, is_cut in at if is_cut]
    return [f"cut off by the {cut[0]} edge of the image"] if len(cut) == 1 else []


def _around(thing: Thing, survey: Survey, rng: random.Random) -> list[str]:
    """What a thing lies in, beside and among; each a phrase that may follow it."""
    out = []
    near = _BESIDE / survey.gsd
    others = [t for t in survey.things if t is not thing and t.sure and not set(t.entry.label) & set(thing.entry.label)]
    if inside := _holder(thing, others):
        out.append(placed_in(inside))
    if not thing.entry.zone:
        for family in _NEIGHBOURS:
            found = [t for t in others if family in t.entry.label and thing.outline.distance(t.outline) <= near]
            found = [t for t in found if not thing.outline.intersects(t.outline) or t.form == "line"]
            if found and family not in thing.entry.label:
                first = min(found, key=lambda t: (t.outline.distance(thing.outline), t.entry.name))
                out.append(f"{rng.choice(('next to', 'beside', 'by'))} {with_article(first.entry.name)}")
                break
    return out + _neighbours(thing, survey)


def _holder(thing: Thing, others: Sequence[Thing]) -> Thing | None:
    """The smallest zone, cover or ground that holds the thing."""
    area = thing.outline.area
    fit = [
        t
        for t in others
        if t.form == "area" and "building" not in t.entry.label and t.whole > 2 * thing.whole
        and (t.entry.zone or t.entry.cover or t.entry.name in _GROUNDS)
        and t.outline.intersection(thing.outline).area >= _HOLDS * area
    ]  # fmt: skip
    return min(fit, key=lambda t: (t.whole, t.entry.name)) if fit else None


_GROUNDS = ("park", "cemetery", "golf course", "parking lot", "pier", "sports centre", "zoo", "campsite", "farmyard")


def _neighbours(thing: Thing, survey: Survey) -> list[str]:
    if "building" not in thing.entry.label:
        return []
    others = [t for t in survey.named("building") if t is not thing and t.sure]
    gaps = [t.outline.distance(thing.outline) * survey.gsd for t in others]
    out = []
    if sum(g <= _TOUCH for g in gaps) == 1:
        out.append("built against another building")
    elif any(g <= _TOUCH for g in gaps):
        out.append("built against its neighbours")
    if sum(g <= _CROWD_REACH for g in gaps) >= _CROWD:
        out.append("among other buildings")
    return out


def _number(text: str | None) -> float:
    try:
        return float((text or "0").removesuffix("m").strip())
    except ValueError:
        return 0.0
