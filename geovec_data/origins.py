"""Lineage across corpora: DIOR-RSVG's 00001.jpg is DIOR's, VRSBench's P0706_0002.png was cut from DOTA's P0706.

A recipe's rules name the published image behind each of its own; corpora that share images name them alike, so that
they fall into one split and a leak between them is found whatever the files are called.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from geovec_data.records import Scene


class OriginRule(BaseModel):
    """How a file name tells the published image it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    match: str = Field(description="regular expression that must match the whole file name without its extension")
    origin: str = Field(description="the origin's name, e.g. dota/{0}; {0} is the first group, {name} a named one")

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return value

    def apply(self, stem: str) -> str | None:
        """Return the origin of a file name without extension, or None when the rule does not match."""
        found = re.fullmatch(self.match, stem)
        if found is None:
            return None
        groups: dict[str, Any] = {k: v or "" for k, v in found.groupdict().items()}
        return self.origin.format(*(g or "" for g in found.groups()), **groups)


def origin_of(scene: Scene, rules: tuple[OriginRule, ...]) -> str:
    """Name a scene's origin: the first rule that matches its parent's file name, else corpus and parent key."""
    return origin_of_path(scene.corpus, scene.parent or scene.key, rules)


def origin_of_path(corpus: str, parent: str, rules: tuple[OriginRule, ...]) -> str:
    """Name the origin of an image by its path alone; see `origin_of`."""
    name = parent.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    for rule in rules:
        if (named := rule.apply(stem)) is not None:
            return named
    return f"{corpus}/{parent}"
