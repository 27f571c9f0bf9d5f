r"""Texts that no file can hold: half of a surrogate pair, as JSON's ``\ud800`` or a file name in no UTF-8 gives."""

from __future__ import annotations

from collections.abc import Iterator

from geovec_data.records import Scene


def printable(text: str) -> str:
    r"""Return a text with what is no Unicode written out: ``port/\udcff.jpg``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def no_unicode(scene: Scene) -> str | None:
    """Return the first text of a scene that UTF-8 cannot encode, written out; None when all can be."""
    texts = list(_texts(scene))
    try:
        "".join(texts).encode()  # nearly always well, and then once for all
    except UnicodeEncodeError:
        return next((p for t in texts if (p := printable(t)) != t), None)
    return None


def _texts(s: Scene) -> Iterator[str]:
    yield from (t for t in (s.key, s.path, s.parent, s.origin, s.scene_class, s.captured, s.crs) if t)
    yield from (t for t in (s.split, s.licence, s.attribution) if t)
    yield from s.captions
    yield from s.labels
    for pair in (*s.attributes, *s.places):
        yield from pair
    for question in s.questions:
        yield question.text
        yield from question.answers
        yield question.kind
    for region in s.regions:
        yield region.category
        yield from region.expressions
        yield from region.captions
        yield from region.ancestors
        for pair in (*region.attributes, *region.tags.items()):
            yield from pair
