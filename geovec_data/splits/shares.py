"""From a key to a split: pure functions of the key and the options, so that no other image moves an image."""

from __future__ import annotations

import hashlib
import re

from geovec_data.splits.options import SPLITS, SplitOptions

_WHOLE = 2**64
# 2^64 divided by the golden ratio, made odd: its multiples fill a circle more evenly than those of any other number
# (Knuth, The Art of Computer Programming 3, 6.4, "Fibonacci hashing"), also when only every second or tenth is taken.
_GOLDEN = 0x9E3779B97F4A7C15
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]*$")
_NUMBER = re.compile(r"(?s)(.*?)(\d+)(\D*)$")


def pick(options: SplitOptions, *key: str) -> str:
    """Choose a split by the hash of a key: equal keys and seeds give equal splits."""
    return _at(options, _hash(options, *key))


def pick_numbered(options: SplitOptions, origin: str) -> str:
    """Choose a split by the number in a file name, so that a numbered series is divided evenly.

    The last number of the name is multiplied by the golden ratio on a circle that begins at a hash of the seed and of
    the rest of the name: of `airport_1`, `airport_2`, … any run holds the wanted shares to within a few images. A
    name without a number is hashed as a whole.

    Args:
        options: shares and seed.
        origin: the published image, e.g. ``resisc45/airport_001``; a file suffix does not count.
    """
    stem = _SUFFIX.sub("", origin)
    found = _NUMBER.fullmatch(stem)
    if found is None:
        return pick(options, stem)
    before, number, after = found.groups()
    return _at(options, (_hash(options, before, after) + int(number) * _GOLDEN) % _WHOLE)


def _hash(options: SplitOptions, *key: str) -> int:
    return int.from_bytes(hashlib.sha256("\x1f".join((str(options.seed), *key)).encode()).digest()[:8], "big")


def _at(options: SplitOptions, number: int) -> str:
    shares = (options.train, options.val, options.test)
    point = number / _WHOLE * sum(shares)
    for name, share in zip(SPLITS, shares, strict=True):
        if point < share:
            return name
        point -= share
    return "train"
