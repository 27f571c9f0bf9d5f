"""What is to be mined: the examples of one split as arrays of small integers, task by task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError, suggest
from geovec_data.mining.config import PoolConfig
from geovec_data.mining.items import NONE, Bools, Ints, Items, Lists, Numbers, filled, one


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """One task of one split.

    Attributes:
        task: its name.
        meta_task: one of RSMEB's six.
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
    meta_task: str
    examples: pa.StringArray
    query: Ints
    image: Numbers
    in_scene: Bools
    answer_set: Ints
    answers: Lists
    positives: Lists
    pool: Ints


def plans(dataset: Dataset, items: Items, limits: PoolConfig) -> Iterator[TaskPlan]:
    """Yield the tasks of a split, by name, within the limits of the pool.

    Raises:
        UserError: when the split has no example, or none is within the limits.
    """
    split = limits.split
    table = dataset.read("examples", ["id", "task", "query", "image", "scope", "corpus", "pool_key"]).combine_chunks()
    splits = dataset.read("splits", ["example", "split"])
    at = pc.index_in(table["id"], value_set=splits["example"].combine_chunks())
    named = splits["split"].take(at)
    known = sorted(s for s in pc.unique(named).to_pylist() if s)
    if split not in known:
        raise UserError(f"pool.split={split}: the dataset has no example in that split.{suggest(split, known)}")
    table = table.filter(pc.equal(named, split))
    _known(limits, pc.unique(table["corpus"]).to_pylist(), items.modalities)
    if limits.corpus:
        table = table.filter(pc.is_in(table["corpus"], value_set=pa.array(limits.corpus)))
    qrels = dataset.read("qrels").combine_chunks()
    allowed = np.isin(items.modality, [n for n, m in enumerate(items.modalities) if m in limits.modality])
    if limits.modality:
        item = items.numbers(qrels["item"], "qrels")
        table = table.filter(
            pc.invert(pc.is_in(table["id"], value_set=one(qrels["example"].filter(pa.array(~allowed[item])))))
        )
    if not len(table):
        raise UserError(f"no example of the {split} split is within pool.corpus and pool.modality")
    places = dataset.read("image_splits", ["image", "split"])
    images = places.filter(pc.equal(places["split"], split))["image"].combine_chunks()
    spare = dataset.read("pool")
    here = pc.is_in(spare["image"], value_set=images)
    of = dataset.read("images", ["id", "corpus"])
    corpus = of["corpus"].combine_chunks().take(pc.index_in(spare["image"], value_set=of["id"].combine_chunks()))
    spare = spare.append_column("here", here).append_column("corpus", corpus)
    if limits.corpus:
        spare = spare.filter(pc.is_in(spare["corpus"], value_set=pa.array(limits.corpus)))
    for task in sorted(pc.unique(table["task"]).to_pylist()):
        rows = table.filter(pc.equal(table["task"], task))
        query = items.numbers(rows["query"], "examples")
        order = np.argsort(query, kind="stable")  # examples of one query lie together
        rows, query = rows.take(order), query[order]
        mine = qrels.filter(pc.is_in(qrels["example"], value_set=one(rows["id"])))
        example = filled(pc.index_in(mine["example"], value_set=one(rows["id"]))).astype(np.int64)
        positive = items.numbers(mine["item"], "qrels")
        more = spare.filter(pc.equal(spare["task"], task))
        stated = items.numbers(more["item"], "pool")
        if limits.modality:
            more, stated = more.filter(pa.array(allowed[stated])), stated[allowed[stated]]
        answer_set, answers = _answer_sets(rows, example, positive, more, stated)
        # what a corpus states as an answer is one whatever the split of the image that it is noted with
        stated = stated if (answer_set != NONE).any() else stated[np.asarray(more["here"].combine_chunks())]
        yield TaskPlan(
            task=task,
            meta_task=dataset.manifest.tasks[task].meta_task,
            examples=one(rows["id"]),
            query=query,
            image=items.images(rows["image"]),
            in_scene=np.asarray(pc.equal(rows["scope"], "scene").combine_chunks()),
            answer_set=answer_set,
            answers=answers,
            positives=Lists.of(example, positive, len(rows)),
            pool=np.union1d(positive, stated),
        )


def _known(limits: PoolConfig, corpora: list[str], modalities: list[str]) -> None:
    for option, wanted, there in (("corpus", limits.corpus, corpora), ("modality", limits.modality, modalities)):
        for name in wanted:
            if name not in there:
                raise UserError(f"pool.{option}={name}: the {limits.split} split has none.{suggest(name, there)}")


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
    found = [filled(pc.index_in(o, value_set=names)).astype(np.int64) for o in owners]
    own = np.where(of_corpus, found[0], NONE)
    sets, members = np.concatenate([own[example], found[1]]), np.concatenate([positive, stated])
    chosen = sets != NONE
    return own, Lists.of(sets[chosen], members[chosen], len(names))


def _key(corpus: pa.ChunkedArray, pool_key: pa.ChunkedArray) -> pa.Array:
    """One word for a corpus and a part of its answers; the part may be null."""
    return one(pc.binary_join_element_wise(corpus, pc.fill_null(pool_key, ""), "\x1f"))
