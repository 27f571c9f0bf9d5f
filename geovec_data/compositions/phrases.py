"""The words of a change, and what words can mean; one of several wordings, chosen by a hash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from geovec_data.words import plural

Kind = Literal["with", "without", "attribute", "amount"]

# the first wording of each kind is the plain one
WORDINGS: dict[Kind, tuple[str, ...]] = {
    "without": (
        "without {things}",
        "the same scene without {things}",
        "remove the {things}",
        "like this, but no {things}",
    ),
    "with": ("with {things}", "the same scene with {things}", "add {things}", "like this, but {things} as well"),
    "attribute": ("{after}", "change the {key} to {after}", "the {key} is {after}, not {before}", "{key}: {after}"),
    "amount": (
        "with {after}",
        "the same scene with {after} instead of {before}",
        "like this, but with {after}",
        "not {before}, but {after}",
    ),
}
AMOUNTS = {
    "one": "a single {thing}",
    "few": "a few {things}",
    "half a dozen": "about half a dozen {things}",
    "dozen": "about a dozen {things}",
    "twenty": "about twenty {things}",
    "dozens": "dozens of {things}",
}
_BEFORE = {
    "one": "just one",
    "few": "just a few",
    "half a dozen": "half a dozen",
    "dozen": "a dozen",
    "twenty": "twenty",
    "dozens": "dozens",
}
# what is not counted has no plural
_UNCOUNTED = {"bareland", "farmland", "forest", "grass", "grassland", "ice", "land", "pavement", "sand", "scrub", "sea"}
_UNCOUNTED |= {"snow", "soil", "vegetation", "water", "wetland", "woodland"}


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between the query's scene and the scene that is looked for.

    Attributes:
        kind: ``with`` and ``without`` a category of region, another value of an attribute, another ``amount``.
        name: the category, or the attribute's key.
        before: the attribute's value or the amount in the query image, else empty; of an amount also where the wording
            does not say it.
        after: the attribute's value or the amount that is looked for, else empty.
    """

    kind: Kind
    name: str
    before: str = ""
    after: str = ""


def things(category: str) -> str:
    """The plural of a category, or the category where it is not counted."""
    return category if category.rpartition(" ")[2] in _UNCOUNTED else plural(category)


def phrase(change: Change, seed: int, *, plain: bool = False) -> str:
    """Word a change; `seed` chooses the wording."""
    wordings = WORDINGS[change.kind]
    chosen = wordings[0 if plain else seed % len(wordings)]
    if change.kind == "amount":
        after = AMOUNTS[change.after].format(thing=change.name, things=things(change.name))
        return chosen.format(before=_BEFORE[change.before], after=after)
    return chosen.format(things=things(change.name), key=change.name, before=change.before, after=change.after)


def meanings(text: str, categories: Iterable[str], values: Iterable[tuple[str, str]]) -> Iterator[Change]:
    """Yield every change that a text can mean.

    Args:
        text: the words.
        categories: all categories of the corpus.
        values: all pairs of attribute and value of the corpus.
    """
    named: dict[str, list[str]] = {}
    known = frozenset(categories)
    for category in sorted(known):
        named.setdefault(things(category), []).append(category)
    pairs = list(values)
    kinds: tuple[Kind, Kind] = ("without", "with")
    for kind in kinds:
        for wording in WORDINGS[kind]:
            before, after = wording.split("{things}")
            if text.startswith(before) and text.endswith(after):
                for category in named.get(text[len(before) : len(text) - len(after)], ()):
                    yield Change(kind, category)
    for wording in WORDINGS["amount"]:
        if (said := _said(wording, text)) is not None:
            had = [amount for amount, words in _BEFORE.items() if words == said.get("before")]
            for after, phrased in AMOUNTS.items():
                counted = phrased.partition("{")[0]
                noun = said["after"].removeprefix(counted)
                if noun == said["after"] or ("before" in said and not had):
                    continue
                for category in [noun] if "{thing}" in phrased else named.get(noun, []):
                    if category in known:
                        yield Change("amount", category, "".join(had), after)
    for wording in WORDINGS["attribute"]:
        if (said := _said(wording, text)) is not None:
            for key, value in pairs:
                if value == said["after"] and said.get("key", key) == key:
                    yield Change("attribute", key, said.get("before", ""), value)


def _said(wording: str, text: str) -> dict[str, str] | None:
    """What stands in a text for the fields of a wording; None where it is another wording's."""
    pattern = re.escape(wording)
    for field in ("key", "before", "after"):
        pattern = pattern.replace(re.escape("{" + field + "}"), f"(?P<{field}>.+)", 1)
    found = re.fullmatch(pattern, text)
    return found.groupdict() if found else None
