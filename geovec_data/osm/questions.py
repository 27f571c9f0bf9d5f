"""Questions about a chip and their answers from a map: presence, count, comparison, area.

Answer sets: yes and no; the numbers 0 to 20 and ``more than 20``; six ranges of square metres. RSVQA's own ranges (its
paper's 0, under 10, 100, 1000 m² and more) put nearly every answer about buildings into the last, so these are finer.

An object counts where at least half of its area lies in the image. "No", numbers and areas are given only where the
map is complete in that kind of thing around the image (`geovec_data.osm.completeness`) or the user states that it is
(`geovec_data.osm.stated`), and none where a thing with a broader name may be one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from geovec_data.osm.captions import plural_of
from geovec_data.osm.survey import VAGUE, Survey
from geovec_data.osm.tag_table import table
from geovec_data.records import Question
from geovec_data.words import with_article

YES_NO = ("yes", "no")
MOST = 20
COUNTS = (*map(str, range(MOST + 1)), f"more than {MOST}")
_RANGES = ((100, "less than 100 m²"), (500, "100 to 500 m²"), (1000, "500 to 1,000 m²"), (2500, "1,000 to 2,500 m²"),
           (5000, "2,500 to 5,000 m²"), (float("inf"), "more than 5,000 m²"))  # fmt: skip
AREAS = tuple(text for _, text in _RANGES)
PER_KIND = 3
_NEAR = 0.1  # an area so near to the end of its range may as well lie in the next
_LEAD = 1.25  # one kind is said to be more than another only by so much, and by two
_LEAST_ZONE = 0.2  # share of the image from which a zone is said to be there
_NO_NUMBER = VAGUE | {"road"}  # nobody can say where one ends and the next begins
_LOOSE = frozenset({"service road"})  # the aisle of a car park is one, and nobody says that he sees a road
_NOT_SEEN = frozenset({"vegetation", "path"})  # that there is some goes without saying

_PRESENCE = (
    "is there {a} in the image?", "does the image show {a}?", "can {a} be seen here?", "are there any {many}?",
    "is {a} present in this scene?",
)  # fmt: skip
_COUNT = ("how many {many} are there?", "what is the number of {many} in the image?", "how many {many} can be seen?")
_COUNT_CUT = (
    "how many {many} lie at least half inside the image?",
    "how many {many} are there, counting those of which at least half is shown?",
)
_COMPARISON = ("are there more {these} than {those}?", "is the number of {these} larger than the number of {those}?")
_HALVES = (
    "are there more {many} in the {here} half of the image than in the {there} half?",
    "does the {here} half of the image hold more {many} than the {there} half?",
)
_SIDES = (("left", "right"), ("upper", "lower"))
_MIDDLE = 0.05  # of the image's side: what is so near to its middle may lie in either half
_AREA = ("what area do the {many} cover?", "how much ground is covered by {many}?")


def questions_of(survey: Survey, rng: random.Random) -> tuple[Question, ...]:
    """Ask what the map can answer, at most `PER_KIND` questions of a kind.

    Args:
        survey: what the map has in the image.
        rng: chooses what is asked, and among wordings of one meaning.
    """
    seen, denied = sorted(there(survey)), sorted(absent(survey))
    yes = rng.sample(seen, min(PER_KIND, len(seen)))
    no = rng.sample(denied, min(PER_KIND, len(denied), max(len(yes), 1)))
    counts = {n: c for n in countable(survey) if (c := survey.count(n)) is not None}
    out = [_presence(noun, "yes", rng) for noun in yes]
    out += [_presence(noun, "no", rng) for noun in no]
    out += [_count(survey, noun, counts[noun], rng) for noun in rng.sample(sorted(counts), min(PER_KIND, len(counts)))]
    out += _comparisons({**counts, **dict.fromkeys(no, 0)}, rng)
    out += list(_halves(survey, sorted(counts), rng))[:1]
    out += list(_areas(survey, sorted(counts), rng))[:PER_KIND]
    return tuple(out)


def there(survey: Survey) -> set[str]:
    """Nouns, ancestors included, of what anybody sees."""
    out: set[str] = set()
    for thing in survey.things:
        if thing.certain and (not thing.entry.zone or thing.share >= _LEAST_ZONE):
            out.update(thing.entry.label[:1] if thing.entry.name in _LOOSE else thing.entry.label)
    return out - _NOT_SEEN


def absent(survey: Survey) -> set[str]:
    """Nouns of which the map around is complete, and of which there is nothing here, nor of their whole family."""
    nouns, here = table().nouns, {t.entry.label[-1] for t in survey.things}
    out = set()
    for noun in survey.known:
        entry = nouns.get(noun)
        if entry is None or entry.zone or entry.geometry == "point" or entry.gsd < survey.gsd:
            continue
        if VAGUE & set(entry.label) or entry.label[-1] in here:
            continue
        if survey.lacks(noun):
            out.add(noun)
    return out


def countable(survey: Survey) -> list[str]:
    """Nouns of things that have a number: areas that are no zone and no cover, and no pieces of a line."""
    things = [t for t in survey.things if t.form == "area" and t.counts and not t.entry.zone and not t.entry.cover]
    nouns = {noun for t in things for noun in t.entry.label if not _NO_NUMBER & set(t.entry.label)}
    known = table().nouns
    return sorted(n for n in nouns if n in known and known[n].geometry == "area")


def _ask(wording: str, **words: str) -> str:
    text = wording.format(**words)
    return text[:1].upper() + text[1:]


def _presence(noun: str, answer: str, rng: random.Random) -> Question:
    entry = table().nouns.get(noun)
    said = rng.choice((noun, *entry.also)) if entry and rng.random() < 0.3 else noun
    text = _ask(rng.choice(_PRESENCE), a=with_article(said), many=plural_of(said))
    return Question(text=text, answers=(answer,), kind="presence", choices=YES_NO)


def _count(survey: Survey, noun: str, count: int, rng: random.Random) -> Question:
    cut = any(t.visible < 1 for t in survey.named(noun))
    text = _ask(rng.choice(_COUNT_CUT if cut else _COUNT), many=plural_of(noun))
    return Question(text=text, answers=(COUNTS[min(count, MOST + 1)],), kind="count", choices=COUNTS)


def _comparisons(counts: dict[str, int], rng: random.Random) -> Iterator[Question]:
    nouns = sorted(counts)
    pairs = [(a, b) for a in nouns for b in nouns if a != b and _clear(counts[a], counts[b]) and not _kin(a, b)]
    for first, second in rng.sample(pairs, min(2, len(pairs))):
        text = _ask(rng.choice(_COMPARISON), these=plural_of(first), those=plural_of(second))
        answer = "yes" if counts[first] > counts[second] else "no"
        yield Question(text=text, answers=(answer,), kind="comparison", choices=YES_NO)


def _halves(survey: Survey, nouns: list[str], rng: random.Random) -> Iterator[Question]:
    """Compare two halves of the image; what lies between them, or is cut off, may be counted in either."""
    cases = [(noun, axis) for noun in nouns for axis in (0, 1)]
    for noun, axis in rng.sample(cases, len(cases)):
        surely, at_most = [0, 0], [0, 0]
        for thing in survey.named(noun):
            at = (thing.box[axis] + thing.box[axis + 2]) / 2 / (survey.width, survey.height)[axis] - 0.5
            for half, inside in enumerate((-at, at)):
                surely[half] += thing.counts and inside >= _MIDDLE
                at_most[half] += thing.sure and inside > -_MIDDLE
        for more, less in ((0, 1), (1, 0)):
            if surely[more] > at_most[less] and _clear(surely[more], at_most[less]):
                here, there = rng.sample(_SIDES[axis], 2)
                text = _ask(rng.choice(_HALVES), many=plural_of(noun), here=here, there=there)
                answer = "yes" if here == _SIDES[axis][more] else "no"
                yield Question(text=text, answers=(answer,), kind="comparison", choices=YES_NO)


def _clear(a: int, b: int) -> bool:
    return abs(a - b) >= 2 and max(a, b) >= _LEAD * min(a, b)


def _kin(a: str, b: str) -> bool:
    nouns = table().nouns
    return b in nouns[a].of or a in nouns[b].of


def _areas(survey: Survey, nouns: list[str], rng: random.Random) -> Iterator[Question]:
    for noun in rng.sample(nouns, len(nouns)):
        area = sum(t.seen for t in survey.named(noun))
        low = 0.0
        for high, text in _RANGES:
            if area < high:
                clear = area >= low * (1 + _NEAR) and area <= high * (1 - _NEAR)
                if clear:
                    asked = _ask(rng.choice(_AREA), many=plural_of(noun))
                    yield Question(text=asked, answers=(text,), kind="area", choices=AREAS)
                break
            low = high
