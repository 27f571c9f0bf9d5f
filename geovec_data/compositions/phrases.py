"""The words of a change, and what words can mean; one of several wordings, chosen by a hash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from geovec_data.words import plural

Kind = Literal["with", "without", "attribute"]

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
}
# what is not counted has no plural
_UNCOUNTED = {"bareland", "farmland", "forest", "grass", "grassland", "ice", "land", "pavement", "sand", "scrub", "sea"}
_UNCOUNTED |= {"snow", "soil", "vegetation", "water", "wetland", "woodland"}


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between the query's scene and the scene that is looked for.

    Attributes:
        kind: ``with`` and ``without`` a category of region, or another value of an attribute.
        name: the category, or the attribute's key.
        before: the attribute's value in the query image, else empty.
        after: the attribute's value that is looked for, else empty.
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
    return chosen.format(things=things(change.name), key=change.name, before=change.before, after=change.after)


def meanings(text: str, categories: Iterable[str], values: Iterable[tuple[str, str]]) -> Iterator[Change]:
    """Yield every change that a text can mean.

    Args:
        text: the words.
        categories: all categories of the corpus.
        values: all pairs of attribute and value of the corpus.
    """
    named: dict[str, list[str]] = {}
    for category in categories:
        named.setdefault(things(category), []).append(category)
    pairs = list(values)
    kinds: tuple[Kind, Kind] = ("without", "with")
    for kind in kinds:
        for wording in WORDINGS[kind]:
            before, after = wording.split("{things}")
            if text.startswith(before) and text.endswith(after):
                for category in named.get(text[len(before) : len(text) - len(after)], ()):
                    yield Change(kind, category)
    for wording in WORDINGS["attribute"]:
        pattern = re.escape(wording)
        for field in ("key", "before", "after"):
            pattern = pattern.replace(re.escape("{" + field + "}"), f"(?P<{field}>.+)", 1)
        if found := re.fullmatch(pattern, text):
            said = found.groupdict()
            for key, value in pairs:
                if value == said["after"] and said.get("key", key) == key:
                    yield Change("attribute", key, said.get("before", ""), value)
