"""Content ids: equal content has equal ids on every machine, whatever order or process made it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from geovec_data.records import Box, Segment, Segments

_ID_HEX = 32  # 128 bits: collisions are out of reach at 10^12 items
_DROP = re.compile(r"[^\w\s]|_")
_SPACE = re.compile(r"\s+")


def digest(*parts: str | None) -> str:
    """Hash parts with their lengths, so that ('ab', 'c') and ('a', 'bc') differ. Returns 32 hex digits."""
    text = "".join(["-;" if p is None else f"{len(p)}:{p}" for p in parts])  # one hash call: this is a hot path
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_HEX]


def image_id(data: bytes | memoryview) -> str:
    """Id of an image: the first 32 hex digits of the sha256 of its encoded bytes."""
    return hashlib.sha256(data).hexdigest()[:_ID_HEX]


def _numbers(values: Iterable[float]) -> str:
    return ",".join([repr(float(v) + 0.0) for v in values])  # + 0.0 folds -0.0 into 0.0


def region_id(image: str, box: Box, category: str, polygon: tuple[float, ...] = ()) -> str:
    """Id of a region: its image, box, category and polygon."""
    return digest("region", image, _numbers(box), category, _numbers(polygon))


def item_id(segments: Segments) -> str:
    """Id of an item: a hash of its segments in order."""
    return digest("item", *[_segment(s) for s in segments])


def _segment(segment: Segment) -> str:
    match segment.kind:
        case "text":
            return f"t{segment.text}"
        case "image":
            return f"i{segment.image}"
        case "box":
            assert segment.box is not None
            return f"b{_numbers(segment.box)}"
        case "coordinate":
            assert segment.lon is not None
            assert segment.lat is not None
            return f"c{_numbers((segment.lon, segment.lat))}"


@lru_cache(maxsize=1 << 14)  # the checks and several tasks ask for the same sentence
def normalise_text(text: str) -> str:
    """NFKC, case folded, punctuation dropped, blanks folded: captions that differ in no word are equal."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _SPACE.sub(" ", _DROP.sub(" ", folded)).strip()


@lru_cache(maxsize=1 << 14)  # a sentence is asked for as an item, as an example's caption and by the checks
def text_key(text: str) -> str:
    """Hash of the normalised text: the duplicate-caption key."""
    return digest("text", normalise_text(text))
