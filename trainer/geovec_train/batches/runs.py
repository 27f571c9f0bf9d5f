"""What to train on: the tasks of the train split, the mining run and its negatives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError, suggest
from geovec_data.mining.summary import read_summary
from geovec_data.store.manifest import MANIFEST
from geovec_train.batches.ragged import Ints, Numbers, Ragged


def train_tasks(dataset: Dataset, wanted: Sequence[str] | None) -> list[str]:
    """Return the tasks to train, sorted: the wanted ones, or all that the train split has.

    Raises:
        UserError: when the dataset has no train split, or a wanted task has no example in it.
    """
    con = dataset.connect()
    counts: dict[str, int] = dict(
        con.execute("SELECT task, count(*) FROM example_splits WHERE split = 'train' GROUP BY task").fetchall()
    )
    con.close()
    if not counts:
        raise UserError(
            f"dataset={dataset.path} has no example in its train split; see: geovec-data stats dataset={dataset.path}"
        )
    for name in wanted or ():
        if name not in counts:
            raise UserError(f"tasks: '{name}' has no example in the train split.{suggest(name, counts)}")
    return sorted(set(wanted) if wanted else counts)


def mined(run: Path | None, examples: Numbers, items: Numbers, most: int, dataset: Dataset) -> Ragged:
    """Read the mined negatives of the examples, hardest first, at most `most` of each.

    Args:
        run: folder of the mining run, or None for no negatives.
        examples: the examples that are trained on.
        items: item numbers; new items are added.
        most: the most negatives of an example.
        dataset: the dataset.

    Raises:
        UserError: when the run was mined on another split or another build of the dataset, or serves none of the
            examples.
    """
    count = len(examples.names)
    if run is None:
        return Ragged.of(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), count)
    facts = read_summary(run)
    built = facts.get("settings", {}).get("dataset")
    if built and built != hashlib.sha256((dataset.path / MANIFEST).read_bytes()).hexdigest():
        raise UserError(
            f"negatives={run.name}: the run was mined on another build of dataset={dataset.path}, whose splits can"
            f" differ. Mine again: geovec-data mine dataset={dataset.path} encoder=… run={run.name} overwrite=true"
        )
    split = facts.get("split", "train")
    if split != "train":
        raise UserError(
            f"negatives={run.name}: the run was mined on the {split} split (pool.split={split}); training on its"
            " negatives would leak what is held out. Mine on the train split: leave pool.split out"
        )
    table = pq.read_table(run / "negatives.parquet", columns=["example", "item", "rank"])
    strange = table.filter(pc.invert(pc.is_in(table["item"], value_set=dataset.items.table["id"])))
    if len(strange):
        raise UserError(
            f"{run}: the negative {strange['item'][0]} is no item of dataset={dataset.path}: the run was mined on"
            f" another build. Mine again: geovec-data mine dataset={dataset.path} encoder=… run={run.name}"
            " overwrite=true"
        )
    where = pc.index_in(table["example"], value_set=pa.array(examples.names, pa.string()))
    table = table.set_column(0, "example", where).filter(pc.is_valid(where))
    if not len(table):
        raise UserError(f"negatives={run.name}: the run has no negative for any example that is trained on")
    table = table.sort_by([("example", "ascending"), ("rank", "ascending")])
    rows: Ints = table["example"].to_numpy().astype(np.int64)
    kept = np.arange(len(rows)) - np.searchsorted(rows, rows) < most
    return Ragged.of(rows[kept], items.array(table["item"].filter(pa.array(kept)).to_pylist()), count)
