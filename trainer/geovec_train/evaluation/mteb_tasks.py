"""The tasks of a dataset's held-out split as tasks of the library `mteb`: same queries, pools and right answers.

    import mteb
    from geovec_train.evaluation.mteb_encoder import mteb_encoder
    from geovec_train.evaluation.mteb_tasks import mteb_tasks

    mteb.evaluate(mteb_encoder("runs/a"), mteb_tasks("data/rsvg"))

mteb's rows (`mteb.abstasks.retrieval_dataset_loaders.RetrievalSplitData`) hold a text, a picture, or a picture and
a text after it, so a box or a coordinate is given as the text that a codec makes of it; a task whose items are of
another form is left out, and said. The canonical instruction is the task's prompt for queries. Queries that are
ranked in groups of their own (scenes, kinds of answers), or never against their own picture, are reranking tasks over
those candidates.

Figures are `geovec-eval`'s under mteb's names, where no scores are tied: P@1 is ``precision_at_1``, R@k is
``hit_rate_at_k`` (mteb's ``recall_at_k`` is the share of the right ones found), MRR is ``mrr_at_1000``, nDCG@10 is
``ndcg_at_10``. Tied candidates stand in the order of their ids there; `geovec-eval` has the expectation over all
orders.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.ids import digest
from geovec_data.progress import say
from geovec_data.render import Codecs, parts
from geovec_train.evaluation.pools import Pool, Truth, pools, split_of

if TYPE_CHECKING:
    from datasets import Dataset as Rows

_ROWS = 64  # items of a record batch: their pictures are in memory together
_LETTER = {"image": "i", "text": "t"}  # of mteb's categories


def needs_mteb() -> Any:
    """Return the package `mteb`.

    Raises:
        UserError: when it is not installed.
    """
    try:
        import mteb
    except ImportError as error:
        raise UserError("tasks for mteb need the package: pip install 'geovec[mteb]'") from error
    return mteb


def mteb_tasks(
    dataset: str | Path,
    *,
    split: str | None = None,
    tasks: Sequence[str] = (),
    truth: Truth = "union",
    box: str = "qwen2vl",
    coordinate: str = "lat_lon",
) -> list[Any]:
    """Return the tasks of a dataset's held-out split for `mteb.evaluate`.

    Args:
        dataset: dataset directory.
        split: see `geovec-eval`; None: test if it has examples, else val.
        tasks: only these; empty: all that the split has.
        truth: what is right; see `geovec_train.evaluation.pools`.
        box: box codec; `geovec-eval` takes the model's own, so give that one to compare figures.
        coordinate: coordinate codec, likewise.

    Returns:
        One `AbsTaskRetrieval` for each row of `geovec-eval` that mteb can ask, in the same order.

    Raises:
        UserError: when mteb is not installed; for a dataset, split, task or codec that is not there.
    """
    needs_mteb()
    opened = Dataset(dataset)
    codecs = Codecs.named(box, coordinate)
    con = opened.connect()
    try:
        chosen, _ = split_of(opened, con, split)
        asked = list(pools(opened, con, chosen, list(tasks) or None, truth))
    finally:
        con.close()
    out = []
    for pool in asked:
        source = Source(opened, pool, codecs)
        if why := source.refused():
            say(f"{pool.task} is no task for mteb: {why}")
        else:
            out.append(_task(source, _metadata(opened, chosen, source)))
    return out


def _task(source: Source, of: Any) -> Any:
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    class GeoVecTask(AbsTaskRetrieval):  # type: ignore[misc]
        """One pool; its rows are written to a folder of their own when mteb asks for them."""

        metadata = of
        data_loaded: bool
        _folder: tempfile.TemporaryDirectory[str] | None = None

        def load_data(self, num_proc: int | None = None, **_: Any) -> None:
            """Write and open queries and corpus."""
            if not self.data_loaded:
                self._folder = tempfile.TemporaryDirectory(prefix="geovec-mteb-")
                self.dataset = {"default": {of.eval_splits[0]: source.rows(Path(self._folder.name))}}
                self.data_loaded = True

        def unload_data(self) -> None:
            """Forget the rows, on disk too."""
            super().unload_data()
            self._folder = None

    return GeoVecTask()


class Source:
    """One pool as mteb's rows.

    Args:
        dataset: where items and images are.
        pool: what is asked.
        codecs: how boxes and coordinates become text.
    """

    def __init__(self, dataset: Dataset, pool: Pool, codecs: Codecs) -> None:
        self._dataset, self.pool, self.codecs = dataset, pool, codecs
        self.forms = self._form(pool.queries), self._form(pool.items)

    def _form(self, items: Iterable[str]) -> tuple[str, ...]:
        """Return the columns of items: what any of them has, a picture before its text; ``?`` where mteb has none."""
        found = {tuple(dict.fromkeys(kind for kind, _ in self._parts(i))) for i in dict.fromkeys(items)}
        several = any(sum(k == "image" for k, _ in self._parts(i)) > 1 for i in dict.fromkeys(items))
        with_image = [form for form in found if "image" in form]
        if several or any(form[0] != "image" for form in with_image) or (with_image and ("text",) in found):
            return ("?",)
        return max(found, key=len)

    def _parts(self, item: str) -> list[tuple[str, str]]:
        segments = self._dataset.items.segments(item)
        return parts(segments, instruction=None, codecs=self.codecs, size=self._dataset.images.size)

    def refused(self) -> str | None:
        """Say why mteb cannot ask this; None: it can."""
        for form, what in zip(self.forms, ("queries", "candidates"), strict=True):
            if form == ("?",):
                return f"its {what} are of a form that mteb's rows do not have (they hold a picture, then a text)"
        return None

    @property
    def limited(self) -> bool:
        """Whether queries are ranked among some of the candidates only."""
        return len(self.pool.groups) > 1 or bool((self.pool.barred >= 0).any())

    def rows(self, folder: Path) -> dict[str, Any]:
        """Return mteb's ``RetrievalSplitData``; pictures lie in Arrow files in `folder`, mapped into memory."""
        pool = self.pool
        seen: Counter[str] = Counter()
        names = []
        for query in pool.queries:  # one query can be asked in several scenes
            names.append(f"{query}.{seen[query]}" if seen[query] else query)
            seen[query] += 1
        top = None
        if self.limited:
            candidates = [pool.groups[g] for g in pool.query_groups]
            top = {
                name: [pool.items[i] for i in among if i != barred]
                for name, among, barred in zip(names, candidates, pool.barred, strict=True)
            }
        return {
            "queries": self._table(folder / "queries.arrow", names, pool.queries, self.forms[0]),
            "corpus": self._table(folder / "corpus.arrow", pool.items, pool.items, self.forms[1]),
            "relevant_docs": {
                name: {pool.items[i]: 1 for i in right} for name, right in zip(names, pool.positives, strict=True)
            },
            "top_ranked": top,
        }

    def _table(self, file: Path, names: list[str], items: list[str], form: tuple[str, ...]) -> Rows:
        import datasets

        kinds = {"image": datasets.Image(), "text": datasets.Value("string")}
        schema = datasets.Features({"id": datasets.Value("string")} | {k: kinds[k] for k in form}).arrow_schema
        rows = (self._row(n, i, form) for n, i in zip(names, items, strict=True))
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            while some := list(itertools.islice(rows, _ROWS)):
                writer.write_batch(pa.RecordBatch.from_pylist(some, schema=schema))
        return datasets.Dataset.from_file(str(file))

    def _row(self, name: str, item: str, form: tuple[str, ...]) -> dict[str, Any]:
        row: dict[str, Any] = {"id": name}
        if "text" in form:
            row["text"] = " ".join(value for kind, value in self._parts(item) if kind == "text")
        for kind, value in self._parts(item):
            if kind == "image":
                row["image"] = {"bytes": self._dataset.images.get(value), "path": None}
        return row


def _metadata(dataset: Dataset, split: str, source: Source) -> Any:
    from mteb.abstasks.task_metadata import TaskMetadata

    pool, manifest = source.pool, dataset.manifest
    sides = ["".join(_LETTER[k] for k in form) for form in source.forms]
    kinds = sorted({k for form in source.forms for k in form})
    name = dataset.path.resolve().name
    facts = (manifest.fingerprint, split, pool.version(), source.codecs.name, *pool.queries, *pool.query_groups)
    sources = "; ".join(f"{s.title} ({s.licence})" for s in manifest.sources)
    return TaskMetadata(
        name=re.sub(r"[^\w.-]", "_", f"{name}.{pool.task}.{pool.scope}"),
        description=(
            f"RSMEB-style {pool.meta_task} task {pool.task} on the {split} split of {name}, made with GeoVec from:"
            f" {sources}. Boxes and coordinates as {source.codecs.name}."
        ),
        dataset={"path": name, "revision": digest("mteb", *facts)},
        type=_type(kinds, limited=source.limited),
        category="2".join(sides),
        modalities=kinds,
        eval_splits=[split],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        prompt={"query": dataset.instruction(f"{pool.task}/0")},
    )


def _type(kinds: list[str], *, limited: bool) -> str:
    return ("Any2Any" if "image" in kinds else "") + ("Reranking" if limited else "Retrieval")
