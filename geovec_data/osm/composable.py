"""What an image shows and what it lacks by the map, in the broadest words: the facts that compositions change."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from geovec_data.compositions.mapped import ALSO, LACKS, LEVEL, SHOWS, amount_of, amount_pair
from geovec_data.osm.questions import countable
from geovec_data.osm.survey import VAGUE, Survey
from geovec_data.osm.tag_table import table


def composable(survey: Survey) -> Iterator[tuple[str, str]]:
    """Yield the attributes of a scene from which compositions are made.

    The words are those without an ancestor (``building``, not ``house``): which house is a bungalow differs between
    mappers. A thing that is cut to a sliver or too small to be told is neither shown nor lacking.

    Args:
        survey: what the map has in the image.
    """
    roots = _roots()
    yield LEVEL, f"{survey.level:g}"
    for noun in sorted({t.entry.label[-1] for t in survey.things if t.certain}):
        yield SHOWS if noun in roots else ALSO, noun
    for noun in sorted(survey.known & roots.keys()):
        if roots[noun] >= survey.gsd and survey.lacks(noun):
            yield LACKS, noun
    for noun in sorted(roots.keys() & set(countable(survey))):
        counted = survey.count(noun)
        if counted is not None and (amount := amount_of(counted, len(survey.named(noun)))):
            yield amount_pair(noun, amount)


@lru_cache(maxsize=1)
def _roots() -> dict[str, float]:
    """The words without an ancestor → ground sample distance up to which all that is so called can be told."""
    out: dict[str, float] = {}
    for entry in table().entries.values():
        for form in {entry, entry.line}:
            root = form.label[-1]
            if not entry.zone and entry.geometry != "point" and root not in VAGUE:
                out[root] = min(out.get(root, entry.gsd), entry.gsd)
    return out
