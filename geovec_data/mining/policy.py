"""The false-negative policy: an ordered list of small named rules, and what each answers about what it takes.

The first rule that takes a candidate decides: ``drop`` it, ``keep`` it whatever the rules after it would say, or
``promote`` it, which keeps it before all that is only similar. Every answer is counted under the rule's name. Rules
see flat columns of those candidates that no rule before has decided; adding a rule is adding a function to `RULES`.

The order goes from what is known to what is guessed: positives and duplicates; boxes of the query's own image, about
which the scene's labels are complete; identity and words; classes and places; what is like what;
scores last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from geovec_data.mining.block import Block
from geovec_data.mining.items import Bools
from geovec_data.mining.policy_config import Answer, PolicyConfig
from geovec_data.mining.rules.classes import same_class
from geovec_data.mining.rules.ground import near_place, overlapping_ground
from geovec_data.mining.rules.identity import (
    duplicate_caption,
    known_positive,
    near_image,
    same_image,
    same_origin,
    same_osm,
)
from geovec_data.mining.rules.neighbours import same_neighbourhood
from geovec_data.mining.rules.regions import other_box, region_overlap
from geovec_data.mining.rules.rescore import rescore
from geovec_data.mining.rules.scores import (
    absolute_margin,
    max_score,
    min_score,
    percentage,
    rank_range,
    relative_margin,
)
from geovec_data.mining.rules.texts import near_caption, scene_expression

Said = NDArray[np.int8]

RULES: tuple[Callable[[Block], Bools], ...] = (
    known_positive,
    duplicate_caption,
    same_image,
    region_overlap,
    same_osm,
    other_box,
    near_caption,
    scene_expression,
    near_image,
    same_origin,
    overlapping_ground,
    near_place,
    same_class,
    same_neighbourhood,
    rescore,
    min_score,
    max_score,
    absolute_margin,
    relative_margin,
    percentage,
    rank_range,
)
RULE_NAMES = tuple(rule.__name__ for rule in RULES)
ANSWERS: tuple[Answer, ...] = ("drop", "keep", "promote")
UNDECIDED = -1
_STEP = 32  # what is said of a candidate: the rule's number + _STEP x that of its answer


def judge(block: Block) -> Said:
    """Return what was said of each candidate: by which rule and with which answer, or `UNDECIDED`."""
    said = np.full(len(block.candidates.row), UNDECIDED, np.int8)
    left = np.arange(len(said))
    for number, rule in enumerate(RULES):
        answer = answer_of(block.config, rule.__name__)
        if answer == "off" or not len(left):
            continue
        taken = rule(block)
        if not taken.any():
            continue
        said[left[taken]] = number + _STEP * ANSWERS.index(answer)
        left = left[~taken]
        block = replace(block, candidates=block.candidates.keep(~taken))
    return said


def answer_of(config: PolicyConfig, rule: str) -> Answer:
    """Return what a rule answers: its option's value; known positives and the score rules always drop."""
    said = getattr(config, rule, None) if rule != "rescore" else None  # its value is a model
    return next((a for a in (*ANSWERS, "off") if a == said), "drop")


def reached(said: Said, rule: str) -> Bools:
    """Tell which candidates no rule before this one has decided."""
    out: Bools = (said == UNDECIDED) | (said % _STEP >= RULE_NAMES.index(rule))
    return out


def stays(said: Said) -> Bools:
    """Tell which candidates may be chosen."""
    out: Bools = (said == UNDECIDED) | (said >= _STEP)
    return out


def promoted(said: Said) -> Bools:
    """Tell which candidates come first."""
    out: Bools = said >= 2 * _STEP
    return out


def dropped_by(said: Said) -> NDArray[np.int8]:
    """Return the number of the rule that dropped each candidate, or -1."""
    return np.where(stays(said), np.int8(UNDECIDED), said)


def counts(said: Said) -> dict[str, dict[str, int]]:
    """Return how many candidates each rule answered for, by answer; rules of `drop` all, of the others those used."""
    found = np.bincount(said[said != UNDECIDED], minlength=len(ANSWERS) * _STEP).reshape(len(ANSWERS), _STEP)
    return {
        answer: {name: int(n) for name, n in zip(RULE_NAMES, of, strict=False)}
        for answer, of in zip(ANSWERS, found, strict=True)
    }
