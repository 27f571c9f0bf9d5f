"""What is audited: three ways to choose negatives from the same candidates, each at many settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from geovec_data.mining.block import Block, Candidates, Floats, Positive
from geovec_data.mining.items import Bools, Ints, Lists, spread
from geovec_data.mining.policy import judge, stays
from geovec_data.mining.policy_config import PolicyConfig
from geovec_data.mining.stored import StoredRun
from geovec_data.mining.truth import Truth

MARGIN = 0.05  # sentence-transformers' example value, and the peer of issue and README
RANKS = (0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
MARGINS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
COUNTS = (1, 2, 4, 8, 16, 32, 64)
COSINES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
TOP_K, PEER, OURS = "top_k", "sentence_transformers", "geovec"
_FIXED = (
    "duplicate_caption",
    "near_caption",
    "scene_expression",
    "near_image",
    "same_origin",
    "overlapping_ground",
    "near_place",
)  # rules that drop by what no sweep varies
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Pool:
    """The stored candidates of one task.

    Attributes:
        truth: what the policy knows.
        found: candidates of all examples, most similar first.
        positive: scores of the examples' positives.
        right: whether each candidate is a positive of its query, by equality alone.
        most: most positives of any query.
    """

    truth: Truth
    found: Candidates
    positive: Positive
    right: Bools
    most: int

    @classmethod
    def of(cls, truth: Truth, stored: StoredRun) -> Pool:
        """Read what a run stored of a task; positives of a query are those of all examples that ask it."""
        plan = truth.plan
        examples = np.arange(len(plan.examples))
        scores, scopes = stored.of(truth)
        found = next(scopes)[0].search(examples, stored.settings["depth"])
        positive = scores.positive(examples)
        queries, number = np.unique(plan.query, return_inverse=True)
        lists = Lists.of(number[spread(np.diff(plan.positives.starts))], plan.positives.values, len(queries))
        width = len(truth.items.ids)
        keys = spread(np.diff(lists.starts)) * width + lists.values
        right = np.isin(number[found.row] * width + found.item, keys)
        return cls(truth, found, positive, right, int(np.diff(lists.starts).max()))

    @property
    def limit(self) -> Floats:
        """The lowest positive's score of each candidate's example."""
        return self.positive.low[self.found.row]


@dataclass(frozen=True, slots=True)
class Setting:
    """One choice of negatives.

    Attributes:
        method: `TOP_K`, `PEER` or `OURS`.
        sweep: the option that is varied: ``rank``, ``margin``, ``k`` or ``walk_cosine``.
        value: its value.
        chosen: numbers of the candidates that are taken.
    """

    method: str
    sweep: str
    value: float
    chosen: Ints


def sentence_transformers(pool: Pool, k: int, *, relative_margin: float | None = None, range_min: int = 0) -> Ints:
    """Choose as ``sentence_transformers.util.mine_hard_negatives`` 6.2 does, ``sampling_strategy="top"``.

    Its search goes to ``range_max`` plus the most positives that any query has; positives are known by equality; a
    candidate scored above ``lowest positive - |lowest positive| * margin`` is out; of the rest the first `range_min`
    are skipped and `k` are taken.
    """
    row, score = pool.found.row, pool.found.score
    asked = k if relative_margin is None else 10 * k
    range_max = range_min + asked + pool.most
    kept = rank(row) < range_max + pool.most
    kept &= ~pool.right
    if relative_margin is not None:
        low = pool.limit
        kept &= score <= low - np.abs(low) * np.float32(relative_margin)
    index = np.flatnonzero(kept)
    place = rank(row[index])
    return index[(place >= range_min) & (place < min(range_min + k, range_max))]


def geovec(pool: Pool, policy: PolicyConfig) -> Bools:
    """Tell which candidates the policy leaves, all of them judged."""
    found, truth = pool.found, pool.truth
    examples = len(truth.plan.examples)
    out = np.zeros(len(found.row), np.bool_)
    for start in range(0, examples, _BLOCK):
        some = np.arange(start, min(examples, start + _BLOCK))
        low, high = np.searchsorted(found.row, [some[0], some[-1] + 1])
        part = found.keep(np.arange(low, high))
        block = Block(
            replace(part, row=part.row - start),
            truth.group(some),
            truth.plan.query[some],
            pool.positive.take(some),
            truth,
            policy,
        )
        out[low:high] = stays(judge(block))
    return out


def settings(pool: Pool, k: int, policy: PolicyConfig) -> Iterator[Setting]:
    """Yield what each method chooses at each setting.

    Args:
        pool: the candidates.
        k: negatives of each example, where k is not what is varied.
        policy: what `OURS` judges by.
    """
    depth = int(np.bincount(pool.found.row, minlength=1).max(initial=0))
    ranks = [r for r in RANKS if r + k <= depth]
    counts = sorted({c for c in COUNTS if c <= depth} | {k})
    for name, margin in ((TOP_K, None), (PEER, MARGIN)):
        for r in ranks:
            yield Setting(name, "rank", r, sentence_transformers(pool, k, relative_margin=margin, range_min=r))
        for c in counts:
            yield Setting(name, "k", c, sentence_transformers(pool, c, relative_margin=margin))
    for m in MARGINS:
        yield Setting(PEER, "margin", m, sentence_transformers(pool, k, relative_margin=m))
    yield from _ours(pool, k, policy, ranks, counts)


def _ours(pool: Pool, k: int, policy: PolicyConfig, ranks: list[int], counts: list[int]) -> Iterator[Setting]:
    inner, index, policy = _narrowed(pool, policy)
    for setting in _swept(inner, k, policy, ranks, counts):
        yield replace(setting, chosen=index[setting.chosen])


def _narrowed(pool: Pool, policy: PolicyConfig) -> tuple[Pool, Ints, PolicyConfig]:
    """Leave out once what rules drop that no setting varies, and do not ask these again: most of the work is theirs.

    Ranks alone depend on what other rules take, and they are asked last.
    """
    fixed = {name: "off" for name in _FIXED if getattr(policy, name) == "drop"}
    scores = {"relative_margin": None, "min_rank": 0, "max_rank": None}
    index = np.flatnonzero(geovec(pool, policy.model_copy(update={"same_neighbourhood": "off", **scores})))
    inner = replace(pool, found=pool.found.keep(index), right=pool.right[index])
    return inner, index, policy.model_copy(update=fixed)


def _swept(pool: Pool, k: int, policy: PolicyConfig, ranks: list[int], counts: list[int]) -> Iterator[Setting]:
    left = np.flatnonzero(geovec(pool, policy))
    for r in ranks:
        yield Setting(OURS, "rank", r, _first(pool, left, k, r))
    for c in counts:
        yield Setting(OURS, "k", c, _first(pool, left, c))
    unscored = np.flatnonzero(geovec(pool, policy.model_copy(update={"relative_margin": None})))
    for m in MARGINS:
        low = pool.limit[unscored]
        kept = unscored[pool.found.score[unscored] <= low - np.abs(low) * np.float32(m)]
        yield Setting(OURS, "margin", m, _first(pool, kept, k))
    if policy.same_neighbourhood == "drop":
        for cosine in COSINES:
            kept = np.flatnonzero(geovec(pool, policy.model_copy(update={"walk_cosine": cosine})))
            yield Setting(OURS, "walk_cosine", cosine, _first(pool, kept, k))


def _first(pool: Pool, index: Ints, k: int, skip: int = 0) -> Ints:
    place = rank(pool.found.row[index])
    return index[(place >= skip) & (place < skip + k)]


def rank(row: Ints) -> Ints:
    """Number the candidates of each example from 0; rows ascend."""
    out: Ints = np.arange(len(row)) - np.searchsorted(row, row)
    return out
