"""What is to be mined: the dataset's rows of one split as arrays of small integers, task by task.

Items are numbered by their row in the table of items, so "item order" is the dataset's own order. Everything that
the policy compares (text, image, box) is a column of numbers here; strings come back only when rows are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault, UserError, suggest

Ints = NDArray[np.int64]
Numbers = NDArray[np.int32]
Bools = NDArray[np.bool_]
NONE = -1  # no image, no text


@dataclass(frozen=True, slots=True)
class Lists:
    """Ragged lists of integers: list `r` is ``values[starts[r] : starts[r + 1]]``."""

    starts: Ints
    values: Ints

    @staticmethod
    def of(rows: Ints, values: Ints, count: int) -> Lists:
        """Group values by row, each distinct pair once, ascending within a row."""
        order = np.lexsort((values, rows))
        rows, values = rows[order], values[order]
        if len(rows):
            first = np.concatenate([[True], (rows[1:] != rows[:-1]) | (values[1:] != values[:-1])])
            rows, values = rows[first], values[first]
        return Lists(np.searchsorted(rows, np.arange(count + 1)), values)

    def take(self, index: Ints) -> tuple[Ints, Ints]:
        """Return the lists at `index`, flat: for each value its position in `index`, and the value."""
        begin, end = self.starts[index], self.starts[index + 1]
        return spread(end - begin), self.values[ranges(begin, end)]


def spread(counts: Ints) -> Ints:
    """Repeat 0, 1, 2, … by counts: the row of each element of a ragged list."""
    return np.repeat(np.arange(len(counts)), counts)


def ranges(begin: Ints, end: Ints) -> Ints:
    """Concatenate ``arange(begin[i], end[i])``."""
    counts = end - begin
    offset = np.repeat(begin - (np.cumsum(counts) - counts), counts)
    out: Ints = np.arange(int(counts.sum())) + offset
    return out


class Items:
    """The columns of all items of a dataset.

    Args:
        dataset: where they are.

    Attributes:
        ids: item ids, in the dataset's order.
        image: number of the first image, or -1, shape (items,).
        text: number of the normalised text, or -1, shape (items,).
        modality: number into `modalities`, shape (items,).
        modalities: their names.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        table = dataset.read("items", ["id", "modality", "image", "text_key"]).combine_chunks()
        self.ids: pa.StringArray = _one(table["id"])
        self._images, self.image = _codes(table["image"])
        _, self.text = _codes(table["text_key"])
        names, self.modality = _codes(table["modality"])
        self.modalities: list[str] = names.to_pylist()

    def images(self, ids: pa.ChunkedArray) -> Numbers:
        """Return the numbers of image ids; -1 for an image that no item shows."""
        return _filled(pc.index_in(ids, value_set=self._images))

    def numbers(self, ids: pa.ChunkedArray, what: str) -> Ints:
        """Return the item numbers of ids.

        Raises:
            DataFault: when an id is no item's.
        """
        found = pc.index_in(ids, value_set=self.ids)
        if found.null_count:
            lost = ids.filter(pc.is_null(found))[0]
            raise DataFault(f"{self._dataset.path}: {what} names item {lost}, which the dataset lacks; run verify")
        return _filled(found).astype(np.int64)

    @cached_property
    def twins(self) -> Ints:
        """A number that items of equal words and pixels share (captions that differ in case or punctuation)."""
        own = np.arange(len(self.ids), dtype=np.int64)
        plain = np.isin(self.modality, [n for n, m in enumerate(self.modalities) if m == "text"])
        shown = np.isin(self.modality, [n for n, m in enumerate(self.modalities) if m == "image+text"])
        pair = (self.image.astype(np.int64) + 1) * (int(self.text.max(initial=NONE)) + 2) + self.text + 1
        out = own.copy()
        for which, value in ((plain, self.text.astype(np.int64)), (shown, pair)):
            chosen = np.flatnonzero(which & (self.text != NONE))
            _, first, inverse = np.unique(value[chosen], return_index=True, return_inverse=True)
            out[chosen] = chosen[first][inverse]
        return out

    @cached_property
    def box(self) -> NDArray[np.float64]:
        """The box of each item, float pixels x0, y0, x1, y1, shape (items, 4); NaN where there is none."""
        out = np.full((len(self.ids), 4), np.nan)
        start = 0
        for batch in self._dataset.scan("items", ["segments"]):
            column = batch.column(0)
            parents = np.asarray(pc.list_parent_indices(column)) + start
            boxes = pc.list_flatten(column).field("box")
            there = np.asarray(pc.is_valid(boxes))
            for n, side in enumerate(("x0", "y0", "x1", "y1")):
                out[parents[there], n] = np.asarray(boxes.field(side))[there]
            start += len(batch)
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """One task of one split.

    Attributes:
        task: its name.
        examples: example ids, ordered by query item, shape (n,).
        query: query item of each example.
        image: image number of each example's scene.
        in_scene: whether the example's candidates are its scene's items only.
        answer_set: number of the set of answers that the example is ranked among (its corpus's, to its kind of
            question), or -1 for an example of another scope.
        answers: item numbers, by set of answers.
        positives: item numbers, by example.
        pool: item numbers of all candidates of the split, ascending.
    """

    task: str
    examples: pa.StringArray
    query: Ints
    image: Numbers
    in_scene: Bools
    answer_set: Ints
    answers: Lists
    positives: Lists
    pool: Ints


def plans(dataset: Dataset, items: Items, split: str) -> Iterator[TaskPlan]:
    """Yield the tasks of a split, by name.

    Raises:
        UserError: when the split has no example.
    """
    table = dataset.read("examples", ["id", "task", "query", "image", "scope", "corpus", "pool_key"]).combine_chunks()
    splits = dataset.read("splits", ["example", "split"])
    at = pc.index_in(table["id"], value_set=splits["example"].combine_chunks())
    named = splits["split"].take(at)
    known = sorted(s for s in pc.unique(named).to_pylist() if s)
    if split not in known:
        raise UserError(f"pool.split={split}: the dataset has no example in that split.{suggest(split, known)}")
    table = table.filter(pc.equal(named, split))
    qrels = dataset.read("qrels").combine_chunks()
    places = dataset.read("image_splits", ["image", "split"])
    images = places.filter(pc.equal(places["split"], split))["image"].combine_chunks()
    spare = dataset.read("pool")
    here = pc.is_in(spare["image"], value_set=images)
    of = dataset.read("images", ["id", "corpus"])
    corpus = of["corpus"].combine_chunks().take(pc.index_in(spare["image"], value_set=of["id"].combine_chunks()))
    spare = spare.append_column("here", here).append_column("corpus", corpus)
    for task in sorted(pc.unique(table["task"]).to_pylist()):
        rows = table.filter(pc.equal(table["task"], task))
        query = items.numbers(rows["query"], "examples")
        order = np.argsort(query, kind="stable")  # examples of one query lie together
        rows, query = rows.take(order), query[order]
        mine = qrels.filter(pc.is_in(qrels["example"], value_set=_one(rows["id"])))
        example = _filled(pc.index_in(mine["example"], value_set=_one(rows["id"]))).astype(np.int64)
        positive = items.numbers(mine["item"], "qrels")
        more = spare.filter(pc.equal(spare["task"], task))
        stated = items.numbers(more["item"], "pool")
        answer_set, answers = _answer_sets(rows, example, positive, more, stated)
        # what a corpus states as an answer is one whatever the split of the image that it is noted with
        stated = stated if (answer_set != NONE).any() else stated[np.asarray(more["here"].combine_chunks())]
        yield TaskPlan(
            task=task,
            examples=_one(rows["id"]),
            query=query,
            image=items.images(rows["image"]),
            in_scene=np.asarray(pc.equal(rows["scope"], "scene").combine_chunks()),
            answer_set=answer_set,
            answers=answers,
            positives=Lists.of(example, positive, len(rows)),
            pool=np.union1d(positive, stated),
        )


def _answer_sets(rows: pa.Table, example: Ints, positive: Ints, more: pa.Table, stated: Ints) -> tuple[Ints, Lists]:
    """Number the sets of answers of one task's examples and list their items.

    Args:
        rows: the examples.
        example: example number of each positive.
        positive: item number of each positive.
        more: the task's rows of the pool.
        stated: their item numbers.

    Returns:
        The set of each example, -1 where its scope is no ``corpus``; and item numbers by set.
    """
    owners = [_key(t["corpus"], t["pool_key"]) for t in (rows, more)]
    of_corpus = np.asarray(pc.equal(rows["scope"], "corpus").combine_chunks())
    names = pc.unique(owners[0].filter(pa.array(of_corpus)))
    found = [_filled(pc.index_in(o, value_set=names)).astype(np.int64) for o in owners]
    own = np.where(of_corpus, found[0], NONE)
    sets, members = np.concatenate([own[example], found[1]]), np.concatenate([positive, stated])
    chosen = sets != NONE
    return own, Lists.of(sets[chosen], members[chosen], len(names))


def _key(corpus: pa.ChunkedArray, pool_key: pa.ChunkedArray) -> pa.Array:
    """One word for a corpus and a part of its answers; the part may be null."""
    return _one(pc.binary_join_element_wise(corpus, pc.fill_null(pool_key, ""), "\x1f"))


def _one(column: pa.ChunkedArray) -> pa.StringArray:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _codes(column: pa.ChunkedArray) -> tuple[pa.Array, Numbers]:
    encoded = _one(column).dictionary_encode()
    return encoded.dictionary, _filled(encoded.indices)


def _filled(indices: pa.Array) -> Numbers:
    one = indices.combine_chunks() if isinstance(indices, pa.ChunkedArray) else indices
    out: Numbers = np.asarray(pc.fill_null(one, NONE)).astype(np.int32)
    return out
