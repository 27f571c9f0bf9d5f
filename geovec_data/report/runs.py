"""What the report says about jobs over the dataset: a mining run, a training, its scores. Absence is a sentence."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from geovec_data.errors import UserError, suggest
from geovec_data.report.facts import one
from geovec_data.store.manifest import MANIFEST

NEGATIVES = 4  # shown of one example
BINS = 36


@dataclass(frozen=True, slots=True)
class Negative:
    """One mined negative of an example."""

    item: str
    score: float
    kind: str


@dataclass(frozen=True, slots=True)
class MiningRun:
    """A mining run: its folder's name, its summary, and the name of the DuckDB view of its negatives."""

    name: str
    summary: dict[str, Any]
    view: str


@dataclass(frozen=True, slots=True)
class Training:
    """A training run: its name, its summary and its logged losses."""

    name: str
    summary: dict[str, Any]
    steps: list[float]
    losses: list[float]


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object, or None when there is no such file.

    Raises:
        UserError: when it is not a JSON object.
    """
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is unreadable ({error}); run the command that wrote it again") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object; run the command that wrote it again")
    return value


def mining_run(con: duckdb.DuckDBPyConnection, dataset: Path, wanted: str | None) -> MiningRun | str:
    """Open the wanted mining run, or the only one; else say in a sentence why there is none.

    Raises:
        UserError: for a run that does not exist, with the nearest name.
    """
    folder = dataset / "mining"
    names = sorted(p.parent.name for p in folder.glob("*/negatives.parquet")) if folder.is_dir() else []
    if wanted is not None and wanted not in names:
        having = suggest(wanted, names) if names else " This dataset has none yet: geovec-data mine dataset=… encoder=…"
        raise UserError(f"run={wanted}: no such mining run in {folder}.{having}")
    if not names:
        return "No negatives have been mined over this dataset yet (geovec-data mine dataset=… encoder=…)."
    if wanted is None and len(names) > 1:
        return f"There are several mining runs ({', '.join(names)}); choose one with run=<name>."
    name = wanted or names[0]
    summary = read_json(folder / name / "summary.json") or {}
    mined_on = summary.get("settings", {}).get("dataset")
    if mined_on not in (None, hashlib.sha256((dataset / MANIFEST).read_bytes()).hexdigest()):
        return f"The mining run {name} is of another build of this dataset; mine again to see its negatives here."
    file = str(folder / name / "negatives.parquet").replace("'", "''")
    con.execute(f"CREATE OR REPLACE VIEW mined AS SELECT * FROM read_parquet('{file}')")
    return MiningRun(name, summary, "mined")


def negatives_of(con: duckdb.DuckDBPyConnection, example: str) -> tuple[float | None, list[Negative], int]:
    """Return an example's positive score, its hardest negatives and how many it has.

    Every kind that the example has is shown, the hardest of each first.
    """
    rows = con.execute(
        "SELECT item, score, kind, positive_score FROM mined WHERE example = ?"
        " ORDER BY row_number() OVER (PARTITION BY kind ORDER BY rank), rank LIMIT ?",
        [example, NEGATIVES],
    ).fetchall()
    total = one(con, "SELECT count(*) FROM mined WHERE example = ?", example)
    shown = sorted((Negative(i, s, k) for i, s, k, _ in rows), key=lambda n: -n.score)
    return (rows[0][3] if rows else None), shown, total


def mined_counts(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, int, int]]:
    """Return (task, kind, negatives, examples) of the run."""
    return con.execute(
        "SELECT e.task, m.kind, count(*), count(DISTINCT m.example) FROM mined m JOIN examples e ON e.id = m.example"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()


def score_histograms(
    con: duckdb.DuckDBPyConnection,
) -> list[tuple[str, list[int], list[int], tuple[float, float]]]:
    """Count the scores of positives (one of each example) and of negatives over common bins, task by task.

    Returns:
        Task, counts of positives, counts of negatives, and the ends of the range; bins are of equal width.
    """
    con.execute(
        "CREATE OR REPLACE VIEW mined_scores AS SELECT e.task, m.score, false AS good FROM mined m"
        " JOIN examples e ON e.id = m.example UNION ALL SELECT any_value(e.task), any_value(m.positive_score), true"
        " FROM mined m JOIN examples e ON e.id = m.example GROUP BY m.example"
    )
    ranges = con.execute("SELECT task, min(score), max(score) FROM mined_scores GROUP BY 1 ORDER BY 1").fetchall()
    out = []
    for task, low, high in ranges:
        high = max(high, low + 1e-6)
        counts = {True: [0] * BINS, False: [0] * BINS}
        rows = con.execute(
            f"SELECT good, least(floor((score - $low) / ($high - $low) * {BINS}), {BINS - 1})::INTEGER, count(*)"
            " FROM mined_scores WHERE task = $task GROUP BY ALL",
            {"low": low, "high": high, "task": task},
        ).fetchall()
        for good, at, n in rows:
            counts[good][at] = n
        out.append((task, counts[True], counts[False], (low, high)))
    return out


def training(folder: Path) -> Training | None:
    """Read a training run's summary and log; None when the folder has no log."""
    log = folder / "log.jsonl"
    if not log.is_file():
        return None
    steps, losses = [], []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # a run that was killed leaves half a last line
        if isinstance(row, dict) and _is_number(row.get("step")) and _is_number(row.get("loss")):
            steps.append(float(row["step"]))
            losses.append(float(row["loss"]))
    return Training(folder.name, read_json(folder / "summary.json") or {}, steps, losses)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def lineage(model: Path, limit: int = 4) -> list[Training]:
    """Return the trainings that led to a model, earliest first: each summary names the model it began from."""
    out: list[Training] = []
    seen: set[Path] = set()
    at: Path | None = model
    while at is not None and at.resolve() not in seen and len(out) < limit:
        seen.add(at.resolve())
        run = training(at)
        if run is None:
            break
        out.insert(0, run)
        parent = run.summary.get("model")
        at = Path(parent) if isinstance(parent, str) and Path(parent).is_dir() else None
    return out


def scores_file(model: Path | None, dataset: Path, given: Path | None) -> Path | None:
    """Return where the scores are: the file given, else where geovec-eval puts them by default."""
    if given is not None:
        if not given.is_file():
            raise UserError(f"scores={given}: no such file")
        return given
    return None if model is None else model / "eval" / dataset.resolve().name / "scores.json"


def pool_words(row: dict[str, Any]) -> str:
    """Say what the queries of a row of scores were ranked among."""
    if row.get("scope") == "scene":
        return f"{row.get('pool_median', 0):g} of the scene (median)"
    return f"{row.get('pool', 0):,} of the {'corpus' if row.get('scope') == 'corpus' else 'split'}"


def finite(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the smallest and largest finite value."""
    kept = [v for v in values if math.isfinite(v)]
    return (min(kept), max(kept)) if kept else None


def drop_counts(summary: dict[str, Any]) -> list[tuple[str, int]]:
    """Return the mining rules with the candidates each dropped over all tasks, most first, from a run's summary."""
    totals: dict[str, int] = {}
    for task in summary.get("tasks", {}).values():
        for rule, n in task.get("drops", {}).items():
            totals[rule] = totals.get(rule, 0) + int(n)
    return sorted(totals.items(), key=lambda kv: (-kv[1], kv[0]))


def encoder_name(summary: dict[str, Any]) -> str:
    """Return the encoder of a mining run as its user named it."""
    return str(summary.get("encoder", {}).get("name", "unknown"))
