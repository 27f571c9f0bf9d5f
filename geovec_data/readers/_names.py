"""Class names as folders and label files spell them, turned into words."""

from __future__ import annotations

import re

_BETWEEN = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def in_words(name: str) -> str:
    """``BareLand``, ``bare_land`` and ``bareLand`` are ``bare land``; a hyphen stays: ``multi-unit residential``."""
    return " ".join(_CAMEL.sub(" ", name).replace("_", " ").lower().split())


def squeezed(name: str) -> str:
    """What all spellings of a name share: ``BareLand``, ``bare_land`` and ``bareland`` are ``bareland``."""
    return _BETWEEN.sub("", name).lower()
