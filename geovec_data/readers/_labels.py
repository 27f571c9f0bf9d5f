"""Labels of region corpora as words: ``small-vehicle`` is a ``small vehicle``, which is a kind of ``vehicle``."""

from __future__ import annotations

from typing import TypedDict

from pydantic import BaseModel, ConfigDict, Field

from geovec_data.readers.base import ReaderOptions


class Name(BaseModel):
    """What a label means: a category, and facts that the label says besides."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    category: str = Field(description="category of the region")
    attributes: dict[str, str] = Field({}, description="attributes of the region")


class LabelOptions(ReaderOptions):
    """Options of every reader whose regions bear labels."""

    names: dict[str, str | Name] = Field(
        {}, description="better names of labels; or {category, attributes}, e.g. dead: a tree with status dead"
    )
    parents: dict[str, tuple[str, ...]] = Field(
        {}, description="broader categories and what falls under each: {vehicle: [car, truck], truck: [dump truck]}"
    )


class Labelled(TypedDict):
    """The fields of a Region that follow from its label."""

    category: str
    ancestors: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]


class Labels:
    """Looks labels up in a reader's options, each once."""

    def __init__(self, options: LabelOptions) -> None:
        self._names = {words(raw): name for raw, name in options.names.items()}
        self._parent = {words(child): words(parent) for parent, kinds in options.parents.items() for child in kinds}
        self._known: dict[tuple[str, bool], Labelled] = {}

    def __call__(self, raw: str, *, difficult: bool = False) -> Labelled:
        """Return the category, the broader ones (nearest first) and the attributes of a label as the corpus writes it.

        Args:
            raw: the label.
            difficult: the corpus marks this object as hard to recognise; becomes the attribute ``difficult: yes``.
        """
        if (found := self._known.get((raw, difficult))) is not None:
            return found
        label = words(raw)
        name = self._names.get(label, label)
        category, attributes = (name, {}) if isinstance(name, str) else (name.category, name.attributes)
        ancestors: list[str] = []
        parent = self._parent.get(category)
        while parent is not None and parent not in (category, *ancestors):  # a circle ends where it closes
            ancestors.append(parent)
            parent = self._parent.get(parent)
        facts = {**attributes, "difficult": "yes"} if difficult else attributes
        known = Labelled(category=category, ancestors=tuple(ancestors), attributes=tuple(sorted(facts.items())))
        return self._known.setdefault((raw, difficult), known)


def words(label: str) -> str:
    """Lower case, words separated by single spaces: ``Expressway-Service-area`` → ``expressway service area``."""
    return " ".join(label.replace("_", " ").replace("-", " ").lower().split())
