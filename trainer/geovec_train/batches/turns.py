"""Turning a picture together with what is said about it: boxes and words of direction.

The turns are those of `geovec_train.batches.pictures.turned`: the eight symmetries of a square. Boxes follow all of
them. Words follow those that keep up and down apart from left and right (mirrors and the half turn), and only where
word for word gives a sentence that is right again; a text with any other word of direction is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from geovec_data.records import Box, Segment, Segments
from geovec_train.batches.pictures import TURNS, names_direction

EVERY = frozenset(range(TURNS))
UPSIDE_DOWN, MIRROR = 5, 7  # rows reversed, columns reversed
KEEPING_AXES = frozenset({0, 2, UPSIDE_DOWN, MIRROR})  # 2: both reversed

_ACROSS = (("left", "right"), ("leftmost", "rightmost"), ("west", "east"), ("western", "eastern"))
_ALONG = (
    ("top", "bottom"), ("topmost", "bottommost"), ("upper", "lower"), ("uppermost", "lowermost"), ("above", "below"),
    ("north", "south"), ("northern", "southern"), ("northernmost", "southernmost"),
)  # fmt: skip
_SAME = frozenset({"vertical", "vertically", "horizontal", "horizontally", "corner"})
_COMPASS = re.compile(r"(north|south)(east|west)(ern)?")
_WORD = re.compile(r"[A-Za-z]+")
# words of a direction that mean none, or the view from above, or a name
_OTHER_SENSE = re.compile(
    r"\bon (?:the )?top\b|\btop of\b|\btops\b|\b(?:from|the) (?:above|below)\b|\bright(?:s|ly| angles?| next| now)\b"
    r"|\bleft (?:over|behind)\b|(?<=[a-z,] )(?:North|South|East|West)"
)


def turned_size(size: tuple[int, int], turn: int) -> tuple[int, int]:
    """Return (width, height) of a turned picture."""
    return size if turn in KEEPING_AXES else (size[1], size[0])


def turned_box(box: Box, size: tuple[int, int], turn: int) -> Box:
    """Return where a box is in the turned picture.

    Args:
        box: float pixels x0, y0, x1, y1, origin top left, half-open.
        size: (width, height) of the picture before it is turned.
        turn: as in `geovec_train.batches.pictures.turned`.
    """
    x0, y0, x1, y1 = box
    width, height = size
    if turn >= 4:
        x0, y0, x1, y1 = y0, x0, y1, x1
        width, height = height, width
    for _ in range(turn % 4):  # a quarter counterclockwise: the right edge becomes the top
        x0, y0, x1, y1 = y0, width - x1, y1, width - x0
        width, height = height, width
    return x0, y0, x1, y1


def turns_of_words(text: str) -> frozenset[int]:
    """Return the turns that a text can follow."""
    if not names_direction(text):
        return EVERY
    return KEEPING_AXES if all(turned_words(text, turn) is not None for turn in KEEPING_AXES) else frozenset({0})


def turned_words(text: str, turn: int) -> str | None:
    """Return a text as it is right for the turned picture; None where it has words that cannot follow."""
    if turn == 0 or not names_direction(text):
        return text
    if turn not in KEEPING_AXES or _OTHER_SENSE.search(text):
        return None
    swap: dict[str, str] = {}
    for pairs, there in ((_ACROSS, turn != UPSIDE_DOWN), (_ALONG, turn != MIRROR)):
        for a, b in pairs:
            swap |= {a: b, b: a} if there else {a: a, b: b}
    refused = False

    def word(match: re.Match[str]) -> str:
        nonlocal refused
        own = match[0].lower()
        if (compound := _COMPASS.fullmatch(own)) is not None:
            new = swap[compound[1]] + swap[compound[2]] + (compound[3] or "")
        elif own in swap:
            new = swap[own]
        else:
            refused = refused or (names_direction(own) and own not in _SAME)
            return match[0]
        return new.upper() if match[0].isupper() else new.capitalize() if match[0][0].isupper() else new

    out = _WORD.sub(word, text)
    return None if refused else out


def turned_segments(
    segments: Segments, turn_of: Callable[[str], int], size: Callable[[str], tuple[int, int]], home: str | None
) -> Segments:
    """Return an item as it is right for turned pictures; images stay named as they are.

    Args:
        segments: the item.
        turn_of: image id → its turn, one that the item's words can follow.
        size: image id → (width, height) before it is turned.
        home: the image that texts before any image segment speak of, or None.
    """
    first = next((s.image for s in segments if s.image is not None), home)
    at, out = first, []
    for s in segments:
        at = s.image if s.image is not None else at
        turn = 0 if at is None else turn_of(at)
        if turn and s.box is not None and at is not None:
            s = Segment.of_box(turned_box(s.box, size(at), turn))
        elif turn and s.kind == "text":
            words = turned_words(s.text or "", turn)
            assert words is not None
            s = Segment.of_text(words)
        out.append(s)
    return tuple(out)
