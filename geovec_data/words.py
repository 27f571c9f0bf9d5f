"""Small English: articles, plurals and numbers of category names."""

from __future__ import annotations

_IRREGULAR = {"man": "men", "woman": "women", "person": "people", "child": "children", "foot": "feet", "leaf": "leaves"}
_SAME = {"aircraft", "sheep", "fish", "people", "trees", "buildings", "vehicles", "cattle", "grounds"}
_LINKS = (" of ", " under ")  # the head of a phrase stands before them
_Y_SOUND = ("eu", "one", "uniform", "unit", "univers", "usa", "use", "util")
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def with_article(noun: str) -> str:
    """``a tree``, ``an airport``, ``a university``; the article follows the first sound; ``grounds`` take none."""
    if noun.endswith(" grounds"):
        return noun
    vowel = (noun[:1].lower() in "aeiou" or noun.startswith("L-")) and not noun.lower().startswith(_Y_SOUND)
    return f"{'an' if vowel else 'a'} {noun}"


def plural(noun: str) -> str:
    """The plural of a noun phrase: ``storage tanks``, ``bushes``, ``factories``, ``rows of houses``."""
    for link in _LINKS:
        first, found, rest = noun.partition(link)
        if found:
            return f"{plural(first)}{link}{rest}"
    head, space, last = noun.rpartition(" ")
    if last in _SAME:
        many = last
    elif last in _IRREGULAR:
        many = _IRREGULAR[last]
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        many = last + "es"
    elif last.endswith("y") and last[-2:-1] not in ("a", "e", "i", "o", "u", ""):
        many = last[:-1] + "ies"
    else:
        many = last + "s"
    return f"{head}{space}{many}"


def number(count: int) -> str:
    """Counts to twelve in words, larger ones in digits."""
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def listed(parts: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
