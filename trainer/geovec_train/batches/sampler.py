"""Which examples a step trains on: a pure function of the seed and the step, so that a resumed run goes on exactly.

A batch holds one task, and where it is asked for one corpus. Tasks take turns in proportion to their weights; the
examples of a task come in epochs, each a seeded permutation, drawn more or less often by the weight of their corpus
(see `streams`). For tasks whose pool is the scene, up to `per_scene` examples of a scene stand together: only they can
be one another's negatives. Other examples can be ordered by place (see `places`), or those of an image stand together,
so that its picture is embedded once for all of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from geovec_data.errors import UserError, suggest
from geovec_train.batches.data import TrainSet
from geovec_train.batches.places import Order, arranged
from geovec_train.batches.ragged import Ints
from geovec_train.batches.streams import Stream, deal, mass, streams_of


@dataclass(frozen=True, slots=True)
class _Group:
    task: int
    corpus: str
    streams: list[Stream]
    share: float


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
        one_corpus: whether a batch holds examples of one corpus; corpora then take turns by the same weights.
        places: whether the examples of a batch are far from one another on the ground, or near; one after the other:
            in the first and in the second half of a task's turns.
        per_scene: the most examples of one scene that stand together, for tasks whose pool is the scene.
        per_image: the same for other tasks, where `places` asks for nothing; 0: as it comes.

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
        one_corpus: bool = False,
        places: Order = "any",
        per_scene: int = 8,
        per_image: int = 0,
    ) -> None:
        self._train, self._batch, self._seed, self._per_scene = train, batch, seed, per_scene
        self._places, self._per_image = places, per_image
        by_corpus = [(corpora or {}).get(c, 1.0) for c in train.corpora]
        self._streams = [
            streams_of(np.flatnonzero(train.task == t), train.corpus, by_corpus) for t in range(len(train.tasks))
        ]
        self.weights = self._shares(weights)
        self.corpora = self._by_corpus(by_corpus)
        self._groups = self._grouped(one_corpus)
        group_of = _take_turns(np.array([g.share for g in self._groups]), steps)
        self.tasks = np.array([g.task for g in self._groups], dtype=np.int64)[group_of]
        self._group_of = group_of
        self._turn = np.zeros(steps, dtype=np.int64)
        self._dealt: list[Ints] = []  # group → (turns + 1, streams): examples drawn of each stream before a turn
        for g, group in enumerate(self._groups):
            of_group = group_of == g
            self._turn[of_group] = np.arange(of_group.sum())
            counts = deal(group.streams, batch, int(of_group.sum()))
            self._dealt.append(np.concatenate([np.zeros((1, len(group.streams)), np.int64), np.cumsum(counts, axis=0)]))
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

    def _grouped(self, one_corpus: bool) -> list[_Group]:
        """Return what batches are made of: the tasks, or the corpora of each."""
        tasks = list(enumerate(zip(self._train.tasks, self._streams, strict=True)))
        if not one_corpus:
            return [_Group(t, "", streams, self.weights[name]) for t, (name, streams) in tasks]
        out = []
        for t, (name, streams) in tasks:
            for c, corpus in enumerate(self._train.corpora):
                own = [Stream(s.weight, s.members[self._train.corpus[s.members] == c]) for s in streams]
                own = [s for s in own if len(s.members)]
                if own:
                    out.append(_Group(t, corpus, own, self.weights[name] * mass(own) / mass(streams)))
        return out

    def examples(self, step: int) -> tuple[Ints, Ints]:
        """Return the examples of a step, each once, and for each the epoch of its stream that it is drawn in."""
        group, turn = int(self._group_of[step]), int(self._turn[step])
        drawn: list[Ints] = []
        epochs: list[Ints] = []
        for stream, (at, end) in enumerate(self._dealt[group][turn : turn + 2].T.tolist()):
            count = len(self._groups[group].streams[stream].members)
            while at < end:
                epoch, within = divmod(at, count)
                part = self._order(group, stream, epoch)[within : within + end - at]
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

    def _order(self, group: int, stream: int, epoch: int) -> Ints:
        held = self._orders.get((group, stream))
        if held is None or held[0] != epoch:
            own = self._groups[group]
            weight = own.streams[stream].weight
            key = [own.corpus] if own.corpus else []
            key += [] if weight == 1.0 else [f"weight {weight!r}"]  # a stream keeps its order whatever others there are
            rng = self.rng("order", self._train.tasks[own.task], epoch, *key)
            held = epoch, self._permute(own.task, own.streams[stream].members, rng, self._near(group, stream, epoch))
            self._orders[(group, stream)] = held
        return held[1]

    def _near(self, group: int, stream: int, epoch: int) -> bool | None:
        """Tell whether an epoch's batches lie together on the ground; None: as it comes."""
        if self._places == "any":
            return None
        if self._places != "spread_then_near":
            return self._places == "near"
        drawn = self._dealt[group][:, stream]
        begins = int(np.searchsorted(drawn, epoch * len(self._groups[group].streams[stream].members)))
        return 2 * begins >= len(drawn) - 1

    def _permute(self, task: int, members: Ints, rng: np.random.Generator, near: bool | None) -> Ints:
        if (task, int(self._train.image[members[0]])) not in self._train.pool:
            if near is None:
                return self._by_scene(members, self._per_image, rng) if self._per_image else rng.permutation(members)
            return arranged(members, self._train.place(members), self._batch, near, rng)
        return self._by_scene(members, self._per_scene, rng)

    def _by_scene(self, members: Ints, most: int, rng: np.random.Generator) -> Ints:
        """Shuffle so that up to `most` examples of a scene follow one another."""
        shuffled = rng.permutation(members)
        shuffled = shuffled[np.argsort(self._train.image[shuffled], kind="stable")]
        image = self._train.image[shuffled]
        rank = np.arange(len(image)) - np.searchsorted(image, image)
        chunk = image * (rank.max() // most + 1) + rank // most
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
