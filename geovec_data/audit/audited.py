"""What an audit knows of one task: its candidates, the truth, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from geovec_data.audit import methods
from geovec_data.audit.truths import Known
from geovec_data.mining.items import Bools, Ints
from geovec_data.mining.plan import TaskPlan


@dataclass(frozen=True, slots=True)
class Audited:
    """One task audited against one truth.

    Attributes:
        plan: the task.
        known: the truth.
        facts: what was found, as in the summary.
        pool: its candidates.
        false: which of them are false negatives.
        ours: what the policy takes with the labels withheld.
    """

    plan: TaskPlan
    known: Known
    facts: dict[str, Any]
    pool: methods.Pool
    false: Bools
    ours: Ints
