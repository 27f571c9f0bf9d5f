"""Stated answer sets, and numbers told as ranges; shared by the readers of question corpora."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from geovec_data.errors import UserError

_SPAN = re.compile(r"(\d+)\.\.(\d+)")
_LIMITS = (0, 10, 100, 1000)
_LARGEST = 1_000_000


def stated(answers: Mapping[str, tuple[str, ...]], ranges: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the answers that each kind of question can have.

    Args:
        answers: kind → answers as the recipe writes them; ``0..89`` is all of those numbers.
        ranges: kind → unit, for kinds whose numbers are told as ranges.

    Raises:
        UserError: for a span that is empty or too long to be meant.
    """
    out = {kind: tuple(a for answer in said for a in _spelled(answer)) for kind, said in answers.items()}
    return out | {kind: range_names(unit) for kind, unit in ranges.items()}


def _spelled(answer: str) -> tuple[str, ...]:
    span = _SPAN.fullmatch(answer)
    if span is None:
        return (answer,)
    first, last = int(span[1]), int(span[2])
    if not first <= last <= _LARGEST:
        raise UserError(f"reader.answers: '{answer}' is no span of numbers up to {_LARGEST:,}")
    return tuple(str(n) for n in range(first, last + 1))


def range_names(unit: str) -> tuple[str, ...]:
    """Name the ranges that the authors of RSVQA put counts and areas into, smallest first."""
    between = [f"between {a}{unit} and {b}{unit}" for a, b in pairwise(_LIMITS)]
    return (f"0{unit}", *between, f"more than {_LIMITS[-1]}{unit}")


def as_range(answer: str, unit: str) -> str:
    """Put a number with its unit into its range: 0, up to 10, up to 100, up to 1000, more; other words pass.

    Method: the answer encoder published with RSVQA, whose ranges hold their upper limit.
    """
    number = answer.removesuffix(unit) if unit else answer
    if not number.isdecimal() or not answer.endswith(unit):
        return answer
    place = sum(int(number) > limit for limit in _LIMITS)
    return range_names(unit)[place]
