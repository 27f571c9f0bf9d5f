"""What ``verify`` asks of mining runs and vectors: that all of it reads, agrees with itself and is this dataset's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from geovec_data.errors import UserError
from geovec_data.mining.cache import FOLDER, Key
from geovec_data.mining.summary import SUMMARY, read_summary
from geovec_data.schema import arrow_schema
from geovec_data.store.manifest import MANIFEST
from geovec_data.store.sql import quoted

if TYPE_CHECKING:
    import duckdb

_TABLES = ("candidates", "negatives", "positive_scores")
_IDS = {"example": "examples", "item": "items"}
_UNIT = 1e-3  # by which a vector's length may differ from 1
# what is wrong with a run → SQL that lists the examples; what was written twice must agree
_AGREE = {
    "a negative's score is not its candidate's": (
        "SELECT DISTINCT example FROM (SELECT example, item, score FROM run_negatives"
        " EXCEPT SELECT example, item, score FROM run_candidates WHERE dropped_by IS NULL)"
    ),
    "positive_score is not the lowest of positive_scores": (
        "SELECT DISTINCT example FROM (SELECT example, positive_score FROM run_negatives"
        " EXCEPT SELECT example, low FROM run_positive_scores)"
    ),
    "no number between -1 and 1 as a score": (
        "SELECT example FROM (SELECT example, score FROM run_candidates UNION ALL"
        " SELECT example, low FROM run_positive_scores UNION ALL SELECT example, high FROM run_positive_scores)"
        " WHERE score IS NULL OR NOT abs(score) <= 1.001"
    ),
}


class Mined:
    """The mining runs and vectors of a dataset.

    Args:
        path: the dataset directory.
        con: a connection with views of its tables.
        damaged: tables whose shards are damaged: what refers to them is not followed.

    Attributes:
        checked: what was looked at, in words; filled by `faults`.
        count: how many faults there were.
    """

    def __init__(self, path: Path, con: duckdb.DuckDBPyConnection, damaged: Collection[str]) -> None:
        self._path, self._con, self._damaged = path, con, damaged
        self.checked: list[str] = []
        self.count = 0
        self._files = self._vectors = 0

    def faults(self) -> Iterator[str]:
        """Yield every fault."""
        for fault in self._all():
            self.count += 1
            yield fault

    def _all(self) -> Iterator[str]:
        manifest = hashlib.sha256((self._path / MANIFEST).read_bytes()).hexdigest()
        for run in _folders(self._path / "mining"):
            for fault in self._run(run, manifest):
                yield f"mining/{run.name}: {fault}"
        for store in _folders(self._path / FOLDER):
            for fault in self._store(store):
                yield f"{FOLDER}/{store.name}: {fault}"
        if self._files:
            self.checked.append(
                f"{FOLDER}: {self._files:,} files read whole, {self._vectors:,} vectors: ids, widths and lengths"
            )
        if self.checked:
            self.checked.append(
                "of what is mined no hash is recorded: a value that is changed and possible goes unnoticed"
            )

    def _run(self, run: Path, manifest: str) -> Iterator[str]:
        rows: dict[str, int] = {}
        for table in _TABLES:
            try:
                rows[table] = _read(run / f"{table}.parquet", table)
            except (pa.ArrowException, OSError, ValueError) as error:
                yield f"{table}.parquet: {_why(error)}"
        try:
            facts = read_summary(run)
            mined_from, tasks = facts["settings"]["dataset"], {t: f["negatives"] for t, f in facts["tasks"].items()}
        except (UserError, KeyError, TypeError, AttributeError):
            yield f"{SUMMARY}: not a mining run's"
        else:
            if mined_from != manifest:
                yield f"mined from another {MANIFEST} than this one"
            if rows.keys() == set(_TABLES):
                yield from self._agrees(run, tasks)
        said = ", ".join(f"{n:,} {table.replace('_', ' ')}" for table, n in rows.items())
        left = " (ids not looked up: the dataset is damaged)" if {*_IDS.values()} & set(self._damaged) else ""
        self.checked.append(f"mining/{run.name}: read whole: {said or 'nothing'}{left}")

    def _agrees(self, run: Path, tasks: dict[str, dict[str, int]]) -> Iterator[str]:
        con = self._con
        for table in _TABLES:
            file = quoted(run / f"{table}.parquet")
            con.execute(f"CREATE OR REPLACE TEMP VIEW run_{table} AS SELECT * FROM read_parquet('{file}')")
        asked = dict(_AGREE)
        for table in _TABLES:
            for column in _IDS.keys() & set(arrow_schema(table).names):
                if (other := _IDS[column]) not in self._damaged:
                    asked[f"{table}.{column} is in no {other}.id"] = (
                        f"SELECT DISTINCT {column} FROM run_{table} WHERE {column} NOT IN (SELECT id FROM {other})"
                    )
        for what, sql in asked.items():
            offenders = con.execute(f"SELECT * FROM ({sql}) ORDER BY 1")
            while row := offenders.fetchone():
                yield f"{what}: {row[0]}"
        named = con.execute("SELECT DISTINCT run FROM run_negatives ORDER BY 1").fetchall()
        yield from (f"negatives.run is '{name}'" for (name,) in named if name != run.name)
        if "examples" in self._damaged:
            return
        counted: dict[str, dict[str, int]] = {task: {} for task in tasks}
        for task, kind, n in con.execute(
            "SELECT e.task, n.kind, count(*) FROM run_negatives n JOIN examples e ON e.id = n.example GROUP BY 1, 2"
        ).fetchall():
            counted.setdefault(task, {})[kind] = n
        for task, found in sorted(counted.items()):
            for kind in sorted({*found, *tasks.get(task, {})}):
                told = tasks.get(task, {}).get(kind, 0)
                if told != found.get(kind, 0):
                    yield f"{kind} negatives of {task}: {found.get(kind, 0):,}, {SUMMARY} says {told:,}"

    def _store(self, store: Path) -> Iterator[str]:
        files = [f for f in sorted(store.glob("*.arrow")) if not f.name.startswith(".")]
        widths: dict[str, Any] = {}
        for card in (store.parent / f"{store.name[:12]}.json", store / "key.json"):
            try:
                facts = json.loads(card.read_text(encoding="utf-8"))
                widths[card.name] = facts["dimension"]
                if card.name == "key.json" and _key(facts) != store.name:
                    yield "key.json: of another folder"
            except FileNotFoundError:
                continue  # vectors that were all borrowed have no key.json; a card is made again when it is needed
            except (OSError, ValueError, KeyError, TypeError) as error:
                yield f"{card.name}: unreadable ({error})"
        for file in files:
            try:
                ids, width, bad = _vectors(file)
            except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
                yield f"{file.name}: {_why(error)}"
                continue
            self._files += 1
            self._vectors += len(ids)
            if hashlib.sha256("\n".join(ids).encode()).hexdigest()[:24] != file.stem:
                yield f"{file.name}: its ids are not those that it is named after"
            for name in bad:
                yield f"{file.name}: the vector of item {name} is not of length 1"
            widths[file.name] = width
        if len(set(widths.values())) > 1:
            yield "vectors of several widths: " + ", ".join(f"{name} {width}" for name, width in widths.items())


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*") if p.is_dir() and not p.name.startswith("."))


def _read(file: Path, table: str) -> int:
    """Read every page of a table; returns its rows."""
    with pq.ParquetFile(file) as parquet:
        if not parquet.schema_arrow.equals(arrow_schema(table)):
            raise ValueError("its columns are not those of the schema")
        return sum(batch.num_rows for batch in parquet.iter_batches())


def _vectors(file: Path) -> tuple[list[str], int, list[str]]:
    """Read a file of vectors; returns its ids, their width, and the ids whose vector is not of unit length."""
    with pa.memory_map(str(file)) as source:
        table = pa.ipc.open_file(source).read_all().combine_chunks()
    table.validate(full=True)
    column = table.column("vector").chunk(0)
    width = int(column.type.list_size)
    flat = column.flatten().to_numpy(zero_copy_only=True).reshape(-1, width)
    ids = [str(i) for i in table.column("id").to_pylist()]
    lengths = np.sqrt(np.einsum("ij,ij->i", flat, flat, dtype=np.float64))
    return ids, width, [ids[n] for n in np.flatnonzero(~(np.abs(lengths - 1) <= _UNIT))]


def _key(facts: dict[str, Any]) -> str:
    return Key(facts["encoder"], facts["role"], facts["instruction"], facts["codecs"]).name


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "missing"
    return f"not readable whole ({(str(error).splitlines() or [type(error).__name__])[0]})"
