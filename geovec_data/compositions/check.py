"""The checker of compositions: whether labels bear out what a text says, whoever made it and however.

It knows nothing of how compositions are derived. It reads the text with the grammar's inverse and compares the
labels of the query's image and of the target's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from geovec_data.compositions.phrases import Change, meanings


@dataclass(frozen=True, slots=True)
class Facts:
    """What is labelled of an image.

    Attributes:
        categories: categories of its regions; where the labels are a map's, the kinds of thing that it shows.
        lacks: where the labels are a map's, the kinds of thing that it is known not to show; else None: all others.
        amounts: where the labels are a map's, kind and amount of what it is known how much there is of.
        scene_class: its class, merged classes under one name.
        attributes: its attributes as pairs.
    """

    categories: frozenset[str] = frozenset()
    scene_class: str = ""
    attributes: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    lacks: frozenset[str] | None = None
    amounts: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def without(self, category: str) -> bool:
        """Whether the scene surely has none of a category."""
        return category not in self.categories and (self.lacks is None or category in self.lacks)


def supported(
    text: str, query: Facts, target: Facts, categories: Collection[str], values: Collection[tuple[str, str]]
) -> bool:
    """Say whether the target is the query's scene with the change that the text asks for, in any of its meanings."""
    return any(_holds(change, query, target) for change in meanings(text, categories, values))


def _holds(change: Change, query: Facts, target: Facts) -> bool:
    gone, come = query.categories - target.categories, target.categories - query.categories
    match change.kind:
        case "without":
            return gone == frozenset({change.name}) and not come and target.without(change.name)
        case "with":
            return come == frozenset({change.name}) and not gone and query.without(change.name)
        case "amount":
            had = {amount for noun, amount in query.amounts if noun == change.name}
            has = {amount for noun, amount in target.amounts if noun == change.name}
            right_before = change.before in ("", *had)
            return not gone and not come and has == {change.after} and bool(had - has) and right_before
        case "attribute":
            had = {value for key, value in query.attributes if key == change.name}
            has = {value for key, value in target.attributes if key == change.name}
            right_before = change.before in ("", *had)
            changed = has == {change.after} and bool(had) and change.after not in had
            return changed and right_before and query.scene_class == target.scene_class
