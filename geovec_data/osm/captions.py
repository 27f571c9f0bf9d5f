"""Captions of a chip from what a map has in it: its things, where most lie, what covers the ground, the surroundings.

A number is said only where the map around is complete in that kind of thing (`Survey.count`); elsewhere it is "several"
or "many", which more things than the map has do not make wrong.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence

from geovec_data.osm.built import built
from geovec_data.osm.survey import Survey, Thing
from geovec_data.osm.tag_table import table
from geovec_data.words import listed, number, plural, with_article

SETTING = 0.7  # share of the image from which a zone or a cover is what the image shows
PARTLY = 0.15  # share from which a zone or a cover is worth saying
_EXACT = 12  # counts above are rounded
_KINDS = 4  # named in one sentence
_MOST_HALF, _MOST_QUARTER = 0.75, 0.7
_MANY = 4
_FEW_CUT = 1.25  # all that are to be seen, by those that are counted: up to that a number is about right
_NET = 1.6

_OPENINGS = (
    "an aerial image of", "an overhead view of", "a bird's-eye view of", "a remote sensing image of",
    "an aerial photograph of", "seen from above:",
)  # fmt: skip
_FRACTIONS = (
    (0.10, "a tenth"), (0.20, "a fifth"), (0.25, "a quarter"), (0.33, "a third"), (0.4, "two fifths"), (0.5, "half"),
    (0.6, "three fifths"), (0.67, "two thirds"), (0.75, "three quarters"), (0.9, "nine tenths"),
)  # fmt: skip
_WITH = ("with", "along with")
_LINES = ("railway track", "major road", "road", "waterway", "path")  # which lines are told first


def captions_of(survey: Survey, rng: random.Random) -> tuple[str, ...]:
    """Word one to three captions, different in construction.

    Args:
        survey: what the map has in the image.
        rng: chooses among wordings of one meaning.

    Returns:
        Captions; none where the map has nothing that can be seen.
    """
    setting, lines = _setting(survey), _lines(survey, rng)
    objects = [told for told in _objects(survey) if setting is None or told[0] != setting.entry.name]
    if not (objects or setting or lines):
        return ()
    out = [_overview(objects, setting, lines, rng)]
    if objects and setting:
        first = [text for _, text in objects[:2]]
        out.append(f"{setting_noun(setting)} with {listed(first)}")
    houses = amount(survey, "building", [t for t in survey.named("building") if t.sure])
    details = [
        *_where(survey, objects),
        *built(survey, houses, _fraction, lambda thing: _cell(thing, survey)),
        *_covers(survey, setting),
    ]
    if details:
        out.append(" ".join(d[:1].upper() + d[1:] + "." for d in details))
    return tuple(dict.fromkeys(out))


def _overview(objects: list[tuple[str, str]], setting: Thing | None, lines: str, rng: random.Random) -> str:
    opening = rng.choice(_OPENINGS)
    where = f" {placed_in(setting)}" if setting else ""
    if objects:
        told = listed([text for _, text in objects[:_KINDS]])
        return f"{opening} {told}{where}" + (f", {rng.choice(_WITH)} {lines}" if lines else "")
    if setting:
        return f"{opening} {setting_noun(setting)}" + (f" with {lines}" if lines else "")
    return f"{opening} {lines}"


def _objects(survey: Survey) -> list[tuple[str, str]]:
    """What can be counted, as (noun, words), the most numerous first; also what is cut off, where some is clearly seen.

    Where some are known by a narrower and some only by a broader name, the broader one stands for all.
    """
    by_name: dict[str, list[Thing]] = defaultdict(list)
    for thing in survey.things:
        if thing.sure and thing.form != "line" and not thing.entry.zone and not thing.entry.cover:
            by_name[thing.entry.name].append(thing)
    for name, things in sorted(by_name.items()):
        broader = next((a for a in things[0].entry.of if a in by_name), None)
        if broader is not None:
            by_name[broader] += by_name.pop(name)
    ranked = sorted(by_name.items(), key=lambda kv: (_is_plant(kv[0]), -len(kv[1]), kv[0]))
    told = [(name, things) for name, things in ranked if any(t.certain for t in things)]
    return [(name, amount(survey, name, things)) for name, things in told]


def amount(survey: Survey, noun: str, things: Sequence[Thing]) -> str:
    """Word how many there are: exact or rounded where the map is complete and the image cuts few, else vaguely."""
    many, exact, seen = plural_of(noun), survey.count(noun), len(things)
    if seen == 1:
        return with_article(noun)
    if _is_plant(noun):  # nobody maps each tree
        return many
    if exact == seen and all(t.visible == 1 for t in things):
        return f"{number(seen)} {many}" if seen <= _EXACT else f"about {_rounded(seen)} {many}"
    if exact is not None and 1 < exact == seen - 1 < _EXACT:  # one is cut off, and may be counted or not
        return f"{number(exact)} or {number(seen)} {many}"
    if exact is not None and exact > _EXACT and seen <= _FEW_CUT * exact:
        return f"about {_rounded(exact)} {many}"
    clear = sum(t.certain for t in things)  # nobody counts rims at the edge
    vague = "a few" if clear < 4 else "several" if clear < 10 else "many"
    return f"{vague} {many}"


def _rounded(count: int) -> int:
    step = 5 if count < 30 else 10
    return step * round(count / step)


def _is_plant(noun: str) -> bool:
    entry = table().nouns.get(noun)
    return entry is not None and "vegetation" in entry.of


def plural_of(noun: str) -> str:
    """The plural by the table, or by rule."""
    entry = table().nouns.get(noun)
    return entry.many if entry else plural(noun)


def _setting(survey: Survey) -> Thing | None:
    """The smallest zone or cover that fills the image: a school's grounds rather than the quarter around them."""
    fit = [t for t in survey.things if t.share >= SETTING and t.form == "area" and "building" not in t.entry.label]
    return min(fit, key=lambda t: (t.whole, t.entry.name)) if fit else None


def setting_noun(thing: Thing) -> str:
    """The setting as a noun phrase: ``a residential area``, ``water``."""
    return thing.entry.cover if thing.entry.cover else with_article(thing.entry.name)


def placed_in(thing: Thing) -> str:
    """Where what lies in it lies: ``in a park``, ``on a pier``, ``among trees``."""
    if thing.entry.cover:
        return f"in {thing.entry.cover}" if thing.entry.cover == "water" else f"among {thing.entry.cover}"
    on = thing.entry.name.endswith(("grounds", "site", "yard", "lot", "apron", "pier"))
    return f"{'on' if on else 'in'} {with_article(thing.entry.name)}"


def _lines(survey: Survey, rng: random.Random) -> str:
    """The most telling kind of line, or nothing: ``streets``, ``a railway track running from left to right``."""
    for family in _LINES:
        found = [t for t in survey.named(family) if t.form == "line" and t.certain and _long(t, survey)]
        if not found:
            continue
        names = {t.entry.name for t in found}
        name = names.pop() if len(names) == 1 else family
        if len(found) > 1 or _is_net(found[0]):
            return plural_of(name)
        noun = rng.choice((name, *found[0].entry.also)) if name == found[0].entry.name else name
        return with_article(noun) + _course(found[0], survey)
    return ""


def _is_net(thing: Thing) -> bool:
    """Whether joined lines are much longer than from one end of them to the other: a net of streets, not one street."""
    x0, y0, x1, y1 = thing.outline.minimum_rotated_rectangle.bounds
    across = math.hypot(x1 - x0, y1 - y0)
    return bool(thing.outline.length / 2 > _NET * across)


def _long(thing: Thing, survey: Survey) -> bool:
    x0, y0, x1, y1 = thing.box
    return (x1 - x0) >= 0.4 * survey.width or (y1 - y0) >= 0.4 * survey.height


def _course(thing: Thing, survey: Survey) -> str:
    x0, y0, x1, y1 = thing.box
    across = x0 <= 1 and x1 >= survey.width - 1 and (y1 - y0) < 0.5 * survey.height
    down = y0 <= 1 and y1 >= survey.height - 1 and (x1 - x0) < 0.5 * survey.width
    return " running from left to right" if across else " running from top to bottom" if down else ""


def _where(survey: Survey, objects: list[tuple[str, str]]) -> list[str]:
    """Where the most numerous kind lies, and where a single thing does; only where all of them are on the map."""
    out = []
    for noun, text in objects[:_KINDS]:
        things = [t for t in survey.named(noun) if t.sure]
        counted = survey.count(noun)
        if counted is None or len(things) > _FEW_CUT * counted:  # many that could be one are cut off or left out
            continue
        if len(things) == 1:
            place = _cell(things[0], survey)
            out += [f"{text} is {place}"] if place else []
        elif len(things) >= _MANY and not any("most of" in o for o in out):
            side = _side(things, survey)
            out += [f"most of the {plural_of(noun)} are {side}"] if side else []
    return out[:2]


def _centre(thing: Thing, survey: Survey) -> tuple[float, float]:
    x0, y0, x1, y1 = thing.box
    return (x0 + x1) / 2 / survey.width, (y0 + y1) / 2 / survey.height


def _cell(thing: Thing, survey: Survey) -> str | None:
    """A place in the image, said only of what lies clearly in it."""
    x, y = _centre(thing, survey)
    if abs(x - 0.5) <= 0.1 and abs(y - 0.5) <= 0.1:
        return "in the middle of the image"
    column = "left" if x <= 1 / 3 else "right" if x >= 2 / 3 else ""
    row = "upper" if y <= 1 / 3 else "lower" if y >= 2 / 3 else ""
    if column and row:
        return f"in the {row} {column} of the image"
    if column:
        return f"on the {column} of the image"
    return f"in the {row} part of the image" if row else None


def _side(things: Sequence[Thing], survey: Survey) -> str | None:
    points = [_centre(t, survey) for t in things]
    n = len(points)
    for row, upper in (("upper", True), ("lower", False)):
        for column, left in (("left", True), ("right", False)):
            inside = sum((x < 0.5) == left and (y < 0.5) == upper for x, y in points)
            if inside / n >= _MOST_QUARTER:
                return f"in the {row} {column}"
    halves = {
        "on the left": sum(x < 0.5 for x, _ in points), "on the right": sum(x >= 0.5 for x, _ in points),
        "in the upper half": sum(y < 0.5 for _, y in points), "in the lower half": sum(y >= 0.5 for _, y in points),
    }  # fmt: skip
    side, inside = max(halves.items(), key=lambda kv: kv[1])
    return side if inside / n >= _MOST_HALF else None


def _covers(survey: Survey, setting: Thing | None) -> list[str]:
    """What covers the ground, and zones that take a part of the image."""
    shares: dict[str, float] = defaultdict(float)
    for thing in survey.things:
        if thing.form == "area" and thing.sure and thing is not setting and (thing.entry.cover or thing.entry.zone):
            shares[thing.entry.cover or with_article(thing.entry.name)] += thing.share
    out = []
    for what, share in sorted(shares.items(), key=lambda kv: (-kv[1], kv[0])):
        if PARTLY <= share <= 1.0 and not (setting and what == setting.entry.cover):
            out.append(f"{_fraction(share)} of the image is {what}")
    return out[:2]


def _fraction(share: float) -> str:
    return f"about {min(_FRACTIONS, key=lambda f: abs(f[0] - share))[1]}"
