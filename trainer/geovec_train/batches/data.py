"""The train split as arrays: examples, their positives and mined negatives, and which pairs are known to be right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data.dataset import Dataset
from geovec_train.batches.keys import ItemKeys, Reals, item_keys
from geovec_train.batches.ragged import Ints, Numbers, Ragged
from geovec_train.batches.runs import mined


@dataclass(frozen=True, slots=True)
class TrainSet:
    """The examples of the train split; items and images are numbers into `items` and `images`.

    Attributes:
        ids: example ids, sorted.
        tasks: task names, sorted; `task` holds numbers into it.
        task: (examples,) task number.
        corpora: corpus names, sorted; `corpus` holds numbers into it.
        corpus: (examples,) corpus number.
        instruction: (examples,) instruction id.
        query: (examples,) item number.
        image: (examples,) image number of the scene.
        caption: (examples,) number of the caption key, -1 for none.
        scene_only: (examples,) whether other scenes' items are no negatives: the pool is the scene and the query
            has no image that would tell the scenes apart.
        positives: example → item numbers.
        negatives: example → item numbers of mined negatives, hardest first; rows may be empty.
        items: item ids.
        item_key: (items,) content key: equal for texts that differ in no word.
        item_image: (items,) image number, -1 for none.
        item_alone: (items,) whether the item is an image and nothing else.
        item_keys: what the items show.
        images: image ids.
        known: sorted codes ``key a · keys + key b`` of the pairs known to belong together, in both orders.
        keys: number of keys.
        pool: (task number, image number) → item numbers: all candidates of a scene, for tasks that have such a pool.
    """

    ids: list[str]
    tasks: list[str]
    task: Ints
    corpora: list[str]
    corpus: Ints
    instruction: list[str]
    query: Ints
    image: Ints
    caption: Ints
    scene_only: NDArray[np.bool_]
    positives: Ragged
    negatives: Ragged
    items: list[str]
    item_key: Ints
    item_image: Ints
    item_alone: NDArray[np.bool_]
    item_keys: ItemKeys
    images: list[str]
    known: Ints
    keys: int
    pool: dict[tuple[int, int], Ints]

    def __len__(self) -> int:
        return len(self.ids)

    def used(self) -> Ints:
        """Return the numbers of the items that can come into a batch."""
        return np.unique(
            np.concatenate([self.query, self.positives.values, self.negatives.values, *self.pool.values()])
        )

    def place(self, examples: Ints) -> Reals:
        """Return where examples lie, (examples, 2) longitude and latitude: of the query, else of the first positive."""
        out = self.item_keys.place[self.query[examples]].copy()
        first = self.positives.values[self.positives.offsets[examples]]
        lost = ~np.isfinite(out[:, 0])
        out[lost] = self.item_keys.place[first[lost]]
        return out

    def known_pair(self, a: Ints, b: Ints) -> NDArray[np.bool_]:
        """Tell for item numbers (broadcast) whether they are known to belong together."""
        code = self.item_key[a] * self.keys + self.item_key[b]
        if not len(self.known):
            return np.zeros(code.shape, dtype=bool)
        at = np.minimum(np.searchsorted(self.known, code), len(self.known) - 1)
        return np.asarray(self.known[at] == code)


def load_train(dataset: Dataset, tasks: list[str], run: Path | None, negatives_per_query: int) -> TrainSet:
    """Read the train split of some tasks.

    Args:
        dataset: the dataset.
        tasks: task names (see `train_tasks`).
        run: folder of the mining run, or None.
        negatives_per_query: the most mined negatives of an example.

    Raises:
        UserError: when the mining run belongs to another build of the dataset.
    """
    con = dataset.connect()
    names = pa.table({"task": tasks})
    con.register("wanted", names)
    rows = _table(
        con,
        "SELECT e.id, e.task, e.corpus, e.instruction, e.query, e.image, e.caption_key, e.scope FROM example_splits e"
        " SEMI JOIN wanted w ON w.task = e.task WHERE e.split = 'train' ORDER BY e.id",
    )
    qrels = _table(
        con,
        "SELECT q.example, q.item FROM qrels q JOIN example_splits e ON e.id = q.example"
        " SEMI JOIN wanted w ON w.task = e.task WHERE e.split = 'train' ORDER BY q.example, q.item",
    )
    pairs = _table(con, "SELECT DISTINCT query, item FROM positives WHERE split = 'train' ORDER BY query, item")
    pool = _table(
        con,
        "SELECT p.task, p.image, p.item FROM pool p SEMI JOIN wanted w ON w.task = p.task"
        " JOIN image_splits s ON s.image = p.image WHERE s.split = 'train'"
        " AND p.task IN (SELECT task FROM examples WHERE scope = 'scene') ORDER BY ALL",
    )
    con.close()

    column = {c: rows.column(c).to_pylist() for c in rows.column_names}
    examples, items, images, keys = Numbers(column["id"]), Numbers(), Numbers(), Numbers()
    query, image = items.array(column["query"]), images.array(column["image"])
    positives = Ragged.of(
        examples.array(qrels.column("example").to_pylist()), items.array(qrels.column("item").to_pylist()), len(rows)
    )
    negatives = mined(run, examples, items, negatives_per_query, dataset)
    a, b = items.array(pairs.column("query").to_pylist()), items.array(pairs.column("item").to_pylist())
    pool_items = items.array(pool.column("item").to_pylist())

    wanted = pa.table({"id": items.names, "number": range(len(items.names))})
    facts = dataset.items.table.select(["id", "modality", "image", "text_key"]).join(wanted, "id", join_type="inner")
    facts = facts.sort_by("number").to_pydict()
    item_key = keys.array(
        f"text:{t}" if m == "text" else i
        for i, m, t in zip(facts["id"], facts["modality"], facts["text_key"], strict=True)
    )
    item_image = images.array(facts["image"])
    count = len(keys.names)
    known = np.unique(np.concatenate([item_key[a] * count + item_key[b], item_key[b] * count + item_key[a]]))
    corpora = sorted(set(column["corpus"]))
    task = np.array([tasks.index(t) for t in column["task"]], dtype=np.int64)
    return TrainSet(
        ids=examples.names,
        tasks=tasks,
        task=task,
        corpora=corpora,
        corpus=np.searchsorted(corpora, column["corpus"]).astype(np.int64),
        instruction=column["instruction"],
        query=query,
        image=image,
        caption=Numbers().array(column["caption_key"]),
        scene_only=np.array([s == "scene" for s in column["scope"]], dtype=bool) & (item_image[query] < 0),
        positives=positives,
        negatives=negatives,
        items=items.names,
        item_key=item_key,
        item_image=item_image,
        item_alone=np.array([m == "image" for m in facts["modality"]], dtype=bool),
        item_keys=item_keys(dataset, items.names, item_image, a, b),
        images=images.names,
        known=known,
        keys=count,
        pool=_by_scene(pool, tasks, images, pool_items),
    )


def _table(con: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    table: pa.Table = con.sql(query).to_arrow_table()
    return table


def _by_scene(pool: pa.Table, tasks: list[str], images: Numbers, items: Ints) -> dict[tuple[int, int], Ints]:
    out: dict[tuple[int, int], list[int]] = {}
    for task, image, item in zip(pool.column("task").to_pylist(), pool.column("image").to_pylist(), items, strict=True):
        out.setdefault((tasks.index(task), images.of(image)), []).append(int(item))
    return {k: np.array(v, dtype=np.int64) for k, v in out.items()}
