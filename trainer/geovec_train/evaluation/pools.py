"""What is asked of an encoder: for every task, its queries, their right answers and the pool they are ranked in.

A pool is cut into groups and a query is ranked in its own group alone. By scope:

- ``split``: one group, every target item of the task in the split (qrels and distractors).
- ``scene``: one group per image, the target items of that image: for texts that are unique in their scene only.
- ``corpus``: one group per corpus and pool key, all its answers from all splits: class names (``scene_class``),
  answers of one kind of question (``question_answer``).

A query that shows an image is never ranked against that image alone (a composition asks for *another* image): it is
barred, and counts neither as a candidate nor as a right answer.

A query is asked once however many examples repeat it (once per scene under scope ``scene``), and everything that
any example of the split calls right for it is right. ``truth="own"`` asks every example by itself and takes its
own positives alone, as papers with one ground truth per query score: repeated captions then cap the result. A build
joins a caption of several images to one example; it is asked once for each of them then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import duckdb
import numpy as np
from numpy.typing import NDArray

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError, suggest

Scope = Literal["split", "scene", "corpus"]
Truth = Literal["union", "own"]
Ints = NDArray[np.int64]

ALSO_ACROSS_SCENES = "expression_to_region"  # scored in its scene; over all scenes in a row of its own


@dataclass(frozen=True, slots=True)
class Pool:
    """One row of the score table before it is scored.

    Attributes:
        task: task name.
        meta_task: its RSMEB-style meta-task.
        scope: which candidates a query is ranked among.
        items: candidate item ids, sorted, each once.
        groups: name of each group (image id, corpus name or empty) → indices into `items`, ascending.
        queries: query item ids.
        query_groups: the group of each query.
        positives: for each query, indices into `items` of the right answers in its group, ascending.
        parents: lineage key of the scene each query comes from (of several scenes: the first).
        images: image of the scene each query comes from (of several scenes: the first).
        corpora: corpus of each query (of several: the first).
        barred: for each query, the index into `items` of the candidate that is its own image, or -1, shape (queries,).
        subset: which queries are asked, where not all are.
    """

    task: str
    meta_task: str
    scope: Scope
    items: list[str]
    groups: dict[str, Ints]
    queries: list[str]
    query_groups: list[str]
    positives: list[Ints]
    parents: list[str]
    images: list[str]
    corpora: list[str]
    barred: Ints
    subset: str = ""

    def sizes(self) -> Ints:
        """Return the number of candidates of each query, without the barred one, shape (queries,)."""
        out = np.array([len(self.groups[g]) for g in self.query_groups], dtype=np.int64)
        for n in np.flatnonzero(self.barred >= 0):
            out[n] -= np.isin(self.barred[n], self.groups[self.query_groups[n]]).item()
        return out

    def listing(self) -> Iterator[str]:
        """Yield the candidates, one ``group<TAB>item id`` line each, in a fixed order."""
        for group in sorted(self.groups):
            for index in self.groups[group]:
                yield f"{group}\t{self.items[index]}\n"

    def version(self) -> str:
        """Return the sha256 of `listing`: two scores are of one pool when these are equal."""
        h = hashlib.sha256()
        for line in self.listing():
            h.update(line.encode())
        return h.hexdigest()


def split_of(dataset: Dataset, con: duckdb.DuckDBPyConnection, wanted: str | None) -> tuple[str, str]:
    """Choose the split to score: the wanted one, else ``test`` when it has examples, else ``val``.

    Returns:
        The split, and one sentence that says why.

    Raises:
        UserError: when the split has no examples.
    """
    rows = con.execute("SELECT split, count(*) FROM splits WHERE split <> 'unused' GROUP BY split").fetchall()
    counts: dict[str, int] = dict(rows)
    if wanted is not None:
        if not counts.get(wanted):
            having = ", ".join(f"{s} ({n})" for s, n in sorted(counts.items())) or "none"
            raise UserError(f"split={wanted} has no examples in {dataset.path}. Splits with examples: {having}")
        return wanted, f"split {wanted}, as asked"
    if counts.get("test"):
        return "test", "split test"
    if counts.get("val"):
        return "val", "split val: this dataset has no test examples"
    raise UserError(
        f"{dataset.path} has neither test nor val examples to score; say split=train to score what was learned"
    )


def pools(
    dataset: Dataset, con: duckdb.DuckDBPyConnection, split: str, tasks: list[str] | None = None, truth: Truth = "union"
) -> Iterator[Pool]:
    """Yield the pools of a split, task by task in name order; tasks without examples there yield none.

    Args:
        dataset: the dataset.
        con: its connection (`Dataset.connect`).
        split: the split whose examples are asked.
        tasks: only these, or None for all.
        truth: see the module.

    Raises:
        UserError: for an unknown task, with the nearest one.
    """
    known = dataset.manifest.tasks
    for task in tasks or ():
        if task not in known:
            raise UserError(f"tasks: the dataset has no task '{task}'.{suggest(task, known)}")
    for task in sorted(set(tasks or known)):
        rows = con.execute(
            "SELECT DISTINCT scope FROM example_splits WHERE split = ? AND task = ? ORDER BY scope", [split, task]
        ).fetchall()
        for (asked,) in rows:
            yield _pool(con, task, known[task].meta_task, split, asked, asked, truth)
            if task == ALSO_ACROSS_SCENES and asked == "scene":
                yield _pool(con, task, known[task].meta_task, split, asked, "split", truth)


_TARGETS = {
    "split": "SELECT DISTINCT '' AS grp, item FROM targets",
    "scene": "SELECT DISTINCT image AS grp, item FROM targets",
    "corpus": (
        "SELECT e.corpus || coalesce('/' || e.pool_key, '') AS grp, q.item FROM examples e"
        " JOIN qrels q ON q.example = e.id WHERE e.task = $task"
        " UNION SELECT i.corpus || coalesce('/' || p.pool_key, ''), p.item FROM pool p JOIN images i ON i.id = p.image"
        " WHERE p.task = $task"
    ),
}
_GROUP = {"split": "''", "scene": "e.image", "corpus": "e.corpus || coalesce('/' || e.pool_key, '')"}

# an example by itself; of one that shows no picture and is not of one scene, each positive (see geovec_data.dedup)
_OWN = "CASE WHEN i.image IS NULL AND e.scope <> 'scene' THEN e.id || '/' || q.item ELSE e.id END"
_JOINED = "example_splits e JOIN qrels q ON q.example = e.id JOIN items i ON i.id = e.query"


def _pool(
    con: duckdb.DuckDBPyConnection, task: str, meta_task: str, split: str, asked: str, scope: Scope, truth: Truth
) -> Pool:
    names = {"task": task, "split": split}
    targets = (
        "WITH targets AS (SELECT e.image, q.item FROM example_splits e JOIN qrels q ON q.example = e.id"
        " WHERE e.split = $split AND e.task = $task UNION SELECT p.image, p.item FROM pool p"
        " JOIN image_splits s ON s.image = p.image WHERE s.split = $split AND p.task = $task) "
    )
    used = names if scope != "corpus" else {"task": task}
    rows = con.execute(
        (targets if scope != "corpus" else "") + _TARGETS[scope] + " ORDER BY grp, item", used
    ).fetchall()
    items = sorted({item for _, item in rows})
    index = {item: n for n, item in enumerate(items)}
    groups: dict[str, list[int]] = {}
    for group, item in rows:
        groups.setdefault(group, []).append(index[item])

    identity, examples = (_OWN, _JOINED) if truth == "own" else ("''", "example_splits e")
    names["asked"] = asked
    right = (
        f"SELECT DISTINCT {_OWN} AS own, q.item FROM {_JOINED} WHERE e.task = $task"
        if truth == "own"
        else "SELECT DISTINCT query AS own, item FROM positives WHERE split = $split AND task = $task"
    )
    asked_rows = con.execute(
        f"WITH asked AS (SELECT e.query, {_GROUP[scope]} AS grp, {identity} AS own, min(e.scene_key) AS parent,"
        f" min(e.image) AS image, min(e.corpus) AS corpus FROM {examples}"
        " WHERE e.split = $split AND e.task = $task AND e.scope = $asked"
        f" GROUP BY ALL), rights AS ({right})"
        " SELECT a.query, a.grp, any_value(a.parent), any_value(a.image), any_value(a.corpus),"
        " list(r.item ORDER BY r.item)"
        f" FROM asked a JOIN rights r ON r.own = {'a.own' if truth == 'own' else 'a.query'}"
        " GROUP BY a.query, a.grp, a.own ORDER BY a.query, a.grp, a.own",
        names,
    ).fetchall()
    members = {g: set(v) for g, v in groups.items()}
    own = _own_images(con, task, split)
    barred = np.array([index.get(own.get(query, ""), -1) for query, *_ in asked_rows], dtype=np.int64)
    positives = [
        np.array([n for i in right_items if (n := index.get(i, -1)) != bar and n in members[g]], dtype=np.int64)
        for (_, g, _, _, _, right_items), bar in zip(asked_rows, barred, strict=True)
    ]
    return Pool(
        task,
        meta_task,
        scope,
        items,
        {g: np.array(v, dtype=np.int64) for g, v in groups.items()},
        [r[0] for r in asked_rows],
        [r[1] for r in asked_rows],
        positives,
        [r[2] for r in asked_rows],
        [r[3] for r in asked_rows],
        [r[4] for r in asked_rows],
        barred,
    )


def _own_images(con: duckdb.DuckDBPyConnection, task: str, split: str) -> dict[str, str]:
    """Return the item that is a query's own image alone, for queries that show an image beside other things."""
    rows = con.execute(
        "SELECT DISTINCT q.id, x.id FROM example_splits e JOIN items q ON q.id = e.query"
        " JOIN items x ON x.image = q.image AND x.modality = 'image'"
        " WHERE e.task = ? AND e.split = ? AND x.id <> q.id",
        [task, split],
    ).fetchall()
    return dict(rows)
