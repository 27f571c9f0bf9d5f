"""What mining a task came to, counted while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from geovec_data.mining.items import Ints
from geovec_data.mining.policy import RULE_NAMES, Said, counts

KINDS = ("hard", "region", "geo", "random")


@dataclass(slots=True)
class Tally:
    """What mining a task came to.

    Attributes:
        examples: examples mined.
        candidates: candidates judged, drops among them.
        negatives: negative rows written, by kind.
        drops: candidates dropped, by rule; a candidate counts for the first rule that takes it.
        keeps: candidates that a rule kept.
        promotes: candidates that a rule promoted.
        deeper: examples that were searched deeper than asked.
        missing: negatives that could not be had, by kind (`hard` counts regions in when they have no quota).
        short: examples with fewer negatives than asked, by the number they have.
    """

    examples: int = 0
    candidates: int = 0
    negatives: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    drops: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULE_NAMES, 0))
    keeps: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULE_NAMES, 0))
    promotes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULE_NAMES, 0))
    deeper: int = 0
    missing: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    short: dict[int, int] = field(default_factory=dict)

    def judged(self, said: Said) -> None:
        """Count what the policy said of some candidates."""
        self.candidates += len(said)
        for into, by_rule in zip((self.drops, self.keeps, self.promotes), counts(said).values(), strict=True):
            for name, number in by_rule.items():
                into[name] += number

    def chosen(self, row: Ints, kind: Ints, examples: int, wanted: dict[str, int]) -> None:
        """Count the negatives of a block of examples.

        Args:
            row: example of each negative.
            kind: number of its kind in `KINDS`.
            examples: how many there are.
            wanted: negatives per example that were asked for, by kind.
        """
        self.examples += examples
        for name, count in zip(KINDS, np.bincount(kind, minlength=len(KINDS)), strict=True):
            self.negatives[name] += int(count)
        own = np.stack([np.bincount(row[kind == n], minlength=examples) for n in range(len(KINDS))])
        if "region" not in wanted:
            own[0] += own[1]
        for name, number in wanted.items():
            self.missing[name] += int(np.maximum(number - own[KINDS.index(name)], 0).sum())
        have = np.bincount(row, minlength=examples)
        for number, count in zip(*np.unique(have[have < sum(wanted.values())], return_counts=True), strict=True):
            self.short[int(number)] = self.short.get(int(number), 0) + int(count)
