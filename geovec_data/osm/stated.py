"""What a user states of a map that no estimate can tell: that a tag key is mapped completely within its extent.

A statement of a key speaks of the nouns that features of this key alone can be called, and of the noun that the key
itself is (all that is a building, with `building`). A noun that features of another key are called, too (a silo, which
is a `building` or a `man_made`), needs a statement of each of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from functools import lru_cache

from geovec_data.osm.tag_table import table


def nouns_of(keys: Collection[str]) -> frozenset[str]:
    """Return the nouns of which nothing is missing where these keys are mapped completely.

    Args:
        keys: tag keys of the table.
    """
    wanted = frozenset(keys)
    return frozenset(n for n, told_by in _keys_of().items() if n in wanted or told_by <= wanted)


@lru_cache(maxsize=1)
def _keys_of() -> dict[str, frozenset[str]]:
    """Noun → keys whose features are called so, by name or by an ancestor."""
    known = table()
    out: dict[str, set[str]] = defaultdict(set)
    for key, values in known.keys.items():
        for entry in values.values():
            kinds = known.kinds[entry.by].values() if entry.by else ()
            for form in (entry, entry.line, *kinds):
                for noun in form.label:
                    out[noun].add(key)
    return {noun: frozenset(told_by) for noun, told_by in out.items()}
