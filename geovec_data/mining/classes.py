"""Classes as numbers: spellings and synonyms of one class share one, and broader classes are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
import yaml

from geovec_data.ids import normalise_text
from geovec_data.mining.items import NONE, Ints, Lists
from geovec_data.shipped import recipe_dir
from geovec_data.words import plural

SYNONYMS = "mining/synonyms.yaml"


class Classes:
    """Numbers for class names.

    ``storage tank``, ``Storage-Tanks`` and ``storagetank`` are one class without any table; other synonyms are in
    ``recipes/mining/synonyms.yaml``.

    Args:
        broader: class → its broader classes, as the dataset's regions have them.
    """

    def __init__(self, broader: Mapping[str, Iterable[str]]) -> None:
        self._synonyms = synonyms()
        self._codes: dict[str, int] = {}
        pairs = {(self.code(name), self.code(above)) for name, many in broader.items() for above in many}
        self._up = sorted((a, b) for a, b in pairs if a != b)

    def code(self, name: str | None) -> int:
        """Return the number of a class; -1 for None and for a name without a letter or digit."""
        key = canonical(name or "")
        if not key:
            return NONE
        return self._codes.setdefault(self._synonyms.get(key, key), len(self._codes))

    def __len__(self) -> int:
        return len(self._codes)

    def related(self) -> Lists:
        """List for each class itself, its broader and its narrower classes; siblings are not related."""
        own = [(n, n) for n in range(len(self))]
        pairs = np.array([*own, *self._up, *((b, a) for a, b in self._up)], np.int64).reshape(-1, 2)
        return Lists.of(pairs[:, 0], pairs[:, 1], len(self))

    def widened(self, group: Ints, code: Ints) -> tuple[Ints, Ints]:
        """Add to each (group, class) the classes related to it."""
        position, wide = self.related().take(code)
        return group[position], wide


def canonical(name: str) -> str:
    """Fold case, punctuation, blanks and the plural of the last word: one word for all spellings of a class."""
    words = normalise_text(name).split()
    if not words:
        return ""
    last = words[-1]
    for single in (last[:-1], last[:-2], last[:-3] + "y"):
        if len(single) > 2 and last.endswith("s") and not single.endswith("s") and plural(single) == last:
            words[-1] = single
            break
    return "".join(words)


@lru_cache(maxsize=1)
def synonyms() -> dict[str, str]:
    """Return canonical name → that of the first of its synonyms, from the shipped table."""
    groups = yaml.safe_load((recipe_dir() / SYNONYMS).read_text(encoding="utf-8"))["synonyms"]
    return {canonical(name): canonical(group[0]) for group in groups for name in group}
