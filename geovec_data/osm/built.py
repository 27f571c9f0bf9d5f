"""Sentences on all buildings of an image: how much of it they cover, how near they stand, where the largest is.

They speak of all buildings, so they are said only where the map is complete in them (`Survey.count`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from geovec_data.osm.survey import Survey, Thing

_LEAST_SHARE = 0.08  # of the image, from which what they cover is worth saying
_SEVERAL = 5  # with fewer nobody says "most"
_MOST = 0.75
_TOUCH, _APART = 0.3, 3.0  # metres between outlines: of what is built together, of what stands by itself
_LEAD = 1.5  # the largest one's area over the next one's


def built(
    survey: Survey, told: str, fraction: Callable[[float], str], place: Callable[[Thing], str | None]
) -> list[str]:
    """Word what can be said, at most three sentences.

    Args:
        survey: what the map has in the image.
        told: how many buildings there are, in words.
        fraction: words a share.
        place: words where a thing lies in the image, if it lies clearly anywhere.
    """
    things = [t for t in survey.named("building") if t.sure]
    if not things or survey.count("building") is None:
        return []
    out, share = [], survey.share("building")
    if share >= _LEAST_SHARE:
        out.append(f"{told} cover{'s' if len(things) == 1 else ''} {fraction(share)} of the image")
    if len(things) >= _SEVERAL:
        out += [f"most of {'them' if out else 'the buildings'} {how}"] if (how := _spacing(things, survey.gsd)) else []
    if len(things) > 1:
        largest, second = sorted(things, key=lambda t: -t.whole)[:2]
        if largest.visible == 1 and largest.whole >= _LEAD * second.whole and (where := place(largest)):
            out.append(f"the largest building is {where}")
    return out


def _spacing(things: Sequence[Thing], gsd: float) -> str:
    import shapely

    outlines = [t.outline for t in things]
    tree = shapely.STRtree(outlines)
    _, pixels = tree.query_nearest(outlines, exclusive=True, return_distance=True, all_matches=False)
    gaps = pixels * gsd
    if (gaps <= _TOUCH).mean() >= _MOST:
        return "are built against one another"
    return "stand apart from one another" if (gaps >= _APART).mean() >= _MOST else ""
