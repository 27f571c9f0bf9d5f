"""A task's examples by the weight of their corpus: each weight is a stream with epochs of its own.

An example of a corpus of weight 2 comes twice as often as one of weight 1; with equal weights there is one stream,
and corpora come in proportion to their sizes. Another corpus of a dataset changes how often a stream is drawn from,
never the rate of the others against one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from geovec_data.errors import UserError, suggest
from geovec_train.batches.ragged import Ints

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Stream:
    """The examples of one task whose corpora have one weight.

    Attributes:
        weight: how often each is drawn, against the others of the task.
        members: example numbers.
    """

    weight: float
    members: Ints


def streams_of(members: Ints, corpus: Ints, weights: Sequence[float]) -> list[Stream]:
    """Part a task's examples by the weight of their corpus; those of weight 0 are never drawn.

    Args:
        members: the task's example numbers.
        corpus: (examples,) corpus number.
        weights: weight of each corpus.
    """
    own = np.asarray(weights, dtype=np.float64)[corpus[members]]
    return [Stream(float(w), members[own == w]) for w in np.unique(own) if w > 0]


def mass(streams: Sequence[Stream]) -> float:
    """Return the number of a task's examples, each counted by its weight."""
    return float(sum(s.weight * len(s.members) for s in streams))


def deal(streams: Sequence[Stream], batch: int, turns: int) -> Ints:
    """Say how many examples of each stream every batch has.

    Returns:
        (turns, streams) counts; each row sums to `batch`. After any number of turns no stream is a whole example
        ahead of its share.
    """
    out = np.empty((turns, len(streams)), dtype=np.int64)
    if not streams:
        return out
    shares = np.array([s.weight * len(s.members) for s in streams]) / mass(streams)
    whole = np.floor(shares * batch).astype(np.int64)
    done = np.zeros(len(streams), dtype=np.int64)
    for turn in range(turns):
        done += whole
        out[turn] = whole
        for _ in range(batch - int(whole.sum())):  # what whole examples leave over goes to whoever is furthest behind
            behind = int(np.argmax(shares * (batch * (turn + 1)) - done))
            out[turn, behind] += 1
            done[behind] += 1
    return out


def corpus_weights(
    names: Sequence[str], dataset: Mapping[str, float], asked: Mapping[str, float] | None
) -> dict[str, float]:
    """Return the weight of each corpus: the asked one, else the dataset's.

    Raises:
        UserError: for a corpus that has no example to train on, or a weight that is none.
    """
    for name, weight in (asked or {}).items():
        if name not in names:
            raise UserError(f"corpora: '{name}' has no example among those that are trained.{suggest(name, names)}")
        if not 0 <= weight < float("inf"):
            raise UserError(f"corpora: {name}: {weight} is no weight; give 0 or more")
    return {n: (asked or {}).get(n, dataset.get(n, 1.0)) for n in names}


def tempered(weights: Mapping[str, float], sizes: Mapping[str, int], temperature: float) -> dict[str, float]:
    """Return weights by which a corpus is drawn from as (weight · size) ** (1 / temperature), instead of weight · size.

    Temperature 1 changes nothing; the larger, the more alike are the shares of all corpora, whatever their sizes.
    """
    if temperature == 1.0:
        return dict(weights)
    return {n: (w * sizes[n]) ** (1 / temperature) / sizes[n] if w else 0.0 for n, w in weights.items()}
