"""Which examples a step trains on: a pure function of the seed and the step, so that a resumed run goes on exactly.

A batch holds one task. Tasks take turns in proportion to their weights; the examples of a task come in epochs, each
a seeded permutation, drawn more or less often by the weight of their corpus (see `streams`). For tasks whose pool is
the scene, up to `per_scene` examples of a scene stand together: only they can be one another's negatives.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from geovec_data.errors import UserError, suggest
from geovec_train.data import TrainSet
from geovec_train.ragged import Ints
from geovec_train.streams import deal, mass, streams_of


class Schedule:
    """The examples of every step.

    Args:
        train: the train split.
        steps: number of steps.
        batch: examples in a batch.
        seed: changes the order.
        weights: task → share of the steps, relative; default: the square root of its number of examples, each
            counted by the weight of its corpus.
        corpora: corpus → weight: how often its examples are drawn, against the others' of their task; default: 1.
        per_scene: the most examples of one scene that stand together, for tasks whose pool is the scene.

    Raises:
        UserError: for a weight of an unknown task, a negative one, or none above zero; for a task none of whose
            corpora has a weight above zero.
    """

    def __init__(
        self,
        train: TrainSet,
        *,
        steps: int,
        batch: int,
        seed: int,
        weights: Mapping[str, float] | None = None,
        corpora: Mapping[str, float] | None = None,
        per_scene: int = 8,
    ) -> None:
        self._train, self._batch, self._seed, self._per_scene = train, batch, seed, per_scene
        by_corpus = [(corpora or {}).get(c, 1.0) for c in train.corpora]
        self._streams = [
            streams_of(np.flatnonzero(train.task == t), train.corpus, by_corpus) for t in range(len(train.tasks))
        ]
        self.weights = self._shares(weights)
        self.corpora = self._by_corpus(by_corpus)
        self.tasks = _take_turns(np.array([self.weights[t] for t in train.tasks]), steps)
        self._turn = np.zeros(steps, dtype=np.int64)
        self._dealt: list[Ints] = []  # task → (turns + 1, streams): examples drawn of each stream before a turn
        for t, streams in enumerate(self._streams):
            of_task = self.tasks == t
            self._turn[of_task] = np.arange(of_task.sum())
            counts = deal(streams, batch, int(of_task.sum()))
            self._dealt.append(np.concatenate([np.zeros((1, len(streams)), np.int64), np.cumsum(counts, axis=0)]))
        self._orders: dict[tuple[int, int], tuple[int, Ints]] = {}

    def _shares(self, weights: Mapping[str, float] | None) -> dict[str, float]:
        names = self._train.tasks
        for name in weights or {}:
            if name not in names:
                raise UserError(f"weights: '{name}' is not among the tasks that are trained.{suggest(name, names)}")
        if weights is None:
            raw = {n: float(np.sqrt(mass(s))) for n, s in zip(names, self._streams, strict=True)}
        else:
            raw = {n: float(weights.get(n, 0.0)) for n in names}
        for name, streams in zip(names, self._streams, strict=True):
            if raw[name] > 0 and not streams:
                raise UserError(f"weights: the corpora of task '{name}' all have weight 0")
        total = sum(raw.values())
        if min(raw.values()) < 0 or not 0 < total < float("inf"):
            raise UserError(f"weights: shares must be 0 or more and not all 0, found {dict(weights or {})}")
        return {n: w / total for n, w in raw.items()}

    def _by_corpus(self, weights: list[float]) -> dict[str, float]:
        """Return the share of all draws that each corpus gets."""
        out = dict.fromkeys(self._train.corpora, 0.0)
        for name, streams in zip(self._train.tasks, self._streams, strict=True):
            for s in streams:
                numbers, counts = np.unique(self._train.corpus[s.members], return_counts=True)
                for c, n in zip(numbers, counts, strict=True):
                    out[self._train.corpora[c]] += self.weights[name] * weights[c] * int(n) / mass(streams)
        return out

    def examples(self, step: int) -> tuple[Ints, Ints]:
        """Return the examples of a step, each once, and for each the epoch of its stream that it is drawn in."""
        task, turn = int(self.tasks[step]), int(self._turn[step])
        drawn: list[Ints] = []
        epochs: list[Ints] = []
        for stream, (at, end) in enumerate(self._dealt[task][turn : turn + 2].T.tolist()):
            count = len(self._streams[task][stream].members)
            while at < end:
                epoch, within = divmod(at, count)
                part = self._order(task, stream, epoch)[within : within + end - at]
                drawn.append(part)
                epochs.append(np.full(len(part), epoch))
                at += len(part)
        every = np.concatenate(drawn)
        _, kept = np.unique(every, return_index=True)
        kept.sort()
        return every[kept], np.concatenate(epochs)[kept]

    def positive(self, example: int, epoch: int) -> int:
        """Return the positive item of an example in an epoch: they take turns, from a start that differs by example."""
        row = self._train.positives.row(example)
        start = zlib.crc32(f"{self._seed}/{self._train.ids[example]}".encode())
        return int(row[(start + epoch) % len(row)])

    def rng(self, *key: int | str) -> np.random.Generator:
        """Return a generator of its own for a purpose."""
        numbers = [k if isinstance(k, int) else zlib.crc32(k.encode()) for k in key]
        return np.random.default_rng([self._seed, *numbers])

    def _order(self, task: int, stream: int, epoch: int) -> Ints:
        held = self._orders.get((task, stream))
        if held is None or held[0] != epoch:
            weight = self._streams[task][stream].weight
            key = () if weight == 1.0 else (f"weight {weight!r}",)  # a stream keeps its order whatever others there are
            rng = self.rng("order", self._train.tasks[task], epoch, *key)
            held = epoch, self._permute(task, self._streams[task][stream].members, rng)
            self._orders[(task, stream)] = held
        return held[1]

    def _permute(self, task: int, members: Ints, rng: np.random.Generator) -> Ints:
        shuffled = rng.permutation(members)
        if (task, int(self._train.image[members[0]])) not in self._train.pool:
            return shuffled
        shuffled = shuffled[np.argsort(self._train.image[shuffled], kind="stable")]
        image = self._train.image[shuffled]
        rank = np.arange(len(image)) - np.searchsorted(image, image)
        chunk = image * (rank.max() // self._per_scene + 1) + rank // self._per_scene
        _, number = np.unique(chunk, return_inverse=True)
        return shuffled[np.argsort(rng.permutation(number.max() + 1)[number], kind="stable")]


def _take_turns(weights: np.ndarray[tuple[int], np.dtype[np.float64]], steps: int) -> Ints:
    """Give each step to the task that is furthest behind its share."""
    done = np.zeros(len(weights))
    out = np.empty(steps, dtype=np.int64)
    for step in range(steps):
        behind = weights * (step + 1) - done
        behind[weights == 0] = -np.inf
        out[step] = int(np.argmax(behind))
        done[out[step]] += 1
    return out
