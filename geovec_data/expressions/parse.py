"""Reads a generated wording back into its structure, so that a text can be checked without its maker."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from geovec_data.expressions import grammar as g
from geovec_data.expressions.colour import COLOURS
from geovec_data.expressions.model import Expression, Rank
from geovec_data.records import Region
from geovec_data.words import plural

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words that a scene adds to the grammar.

    Attributes:
        categories: nouns: the regions' categories and their ancestors.
        states: attribute pairs that can stand before a noun.
    """

    categories: tuple[str, ...]
    states: tuple[tuple[str, str], ...]

    @staticmethod
    def of(regions: Iterable[Region]) -> Lexicon:
        """Collect the words of a scene's regions."""
        nouns: set[str] = set()
        states: set[tuple[str, str]] = set()
        for region in regions:
            nouns.update((region.category, *region.ancestors))
            states.update(pair for pair in region.attributes if pair[0] in g.STATES)
        return Lexicon(tuple(sorted(nouns)), tuple(sorted(states)))


def parse(text: str, lexicon: Lexicon) -> Expression | None:
    """The structure of a wording, or None when it is none of this grammar's."""
    reader = _Words(text, lexicon)
    expression = reader.phrase()
    return expression if reader.rest == "" else None


class _Words:
    """What is still to be read of a text."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.rest = text
        self._lexicon = lexicon

    def take(self, table: Mapping[T, Sequence[str]]) -> T | None:
        """Read the longest phrase of the table that comes next; its meaning, or None."""
        best, meaning = "", None
        for value, phrases in table.items():
            for phrase in phrases:
                if len(phrase) > len(best) and (self.rest == phrase or self.rest.startswith(phrase + " ")):
                    best, meaning = phrase, value
        self.rest = self.rest[len(best) :].lstrip() if best else self.rest
        return meaning

    def word(self, *words: str) -> bool:
        """Read one of these phrases if it comes next."""
        return self.take({True: words}) is True

    def phrase(self) -> Expression | None:
        """Read ``the … noun …`` and what belongs to it."""
        if not self.word("the"):
            return None
        found: dict[str, Any] = {}
        ordinal = None
        if two := self.take(g.COMPARATIVES):
            found.update(rank=Rank(two), count=2)
        else:
            ordinal = self.take(g.ORDINALS)
            if kind := self.take(g.SUPERLATIVES):
                found["rank"] = Rank(kind, ordinal or 1)
            elif self.word("only"):
                found["count"] = 1
            elif self.word("nearest"):
                found["nearest"] = True
        noun = self._noun(found, many=two is not None)
        if noun is None:
            return None
        if ordinal and "rank" not in found:
            side = self.take(g.COUNTED_FROM)
            if side is None:
                return None
            found["rank"] = Rank(side, ordinal)
        found["edge"] = self.take(g.EDGES)
        found["place"] = self.take(g.PLACES)
        return self._with_relation(noun, found)

    def _noun(self, found: dict[str, Any], *, many: bool) -> str | None:
        """Read adjectives and the noun; a noun that begins like an adjective is read as a noun."""
        nouns = {c: (plural(c) if many else c,) for c in self._lexicon.categories}
        while (noun := self.take(nouns)) is None:
            if size := self.take(g.SIZES):
                found["size"] = size
            elif state := self.take({pair: (pair[1],) for pair in self._lexicon.states}):
                found["attributes"] = (*found.get("attributes", ()), state)
            elif colour := self.take({c: (c,) for c in COLOURS}):
                found["colour"] = colour
            else:
                return None
        return noun

    def _with_relation(self, noun: str, found: dict[str, Any]) -> Expression | None:
        if self.word(*g.NEAREST):
            found["nearest"] = True
        else:
            just = self.word("just")
            found["direction"] = self.take(g.DIRECTIONS)
            if (just or found.get("nearest")) and found["direction"] is None:
                return None
            found["nearest"] = just or found.get("nearest", False)
        if found["nearest"] or found["direction"]:
            found["anchor"] = self.phrase()
            if found["anchor"] is None:
                return None
        return Expression(category=noun, **found)
