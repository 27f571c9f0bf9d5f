"""``geovec-eval compare``: whether one encoder is better than another, or the queries were kinder to it.

Two evaluations that asked the same queries over the same candidates are compared query by query: the bootstrap draws
parent images and takes all their queries' differences along (a paired cluster bootstrap; Efron and Tibshirani 1993).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from geovec_data.aligned import columns
from geovec_data.errors import UserError
from geovec_train.evaluation.answers import FILE
from geovec_train.evaluation.bootstrap import interval
from geovec_train.evaluation.departures import departs_of
from geovec_train.evaluation.metrics import METRICS, Floats
from geovec_train.evaluation.score_row import resampled, too_few_parents

SHOWN = ("P@1", "R@10", "nDCG@10")
_SAME = ("dataset_fingerprint", "split", "truth")
_READ = (*_SAME, "dataset", "tasks")


class CompareConfig(BaseModel):
    """Options of `geovec-eval compare`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scores: list[Path] = Field(
        default_factory=list,
        description="evaluations to compare with the first: folders that geovec-eval wrote, or models that have one",
    )
    bootstrap: int = Field(2000, ge=1, description="replicates of the bootstrap interval")
    seed: int = Field(0, description="of the bootstrap")
    out: Path | None = Field(None, description="file to write the comparison to, as JSON; null: none")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `geovec-eval` left: its folder, its scores and what each query scored."""

    folder: Path
    scores: dict[str, Any]
    answers: pa.Table

    def rows(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """Return the rows of scores by task, scope and subset."""
        return {(r["task"], r["scope"] or "", r.get("subset") or ""): r for r in self.scores["tasks"]}

    def of(self, row: tuple[str, str, str]) -> pa.Table:
        """Return the queries of one row, in the order in which they were asked."""
        chosen = [pc.equal(self.answers.column(n), v) for n, v in zip(("task", "scope", "subset"), row, strict=True)]
        return self.answers.filter(pc.and_(pc.and_(chosen[0], chosen[1]), chosen[2]))


def run(config: CompareConfig) -> dict[str, Any]:
    """Compare evaluations with the first of them.

    Returns:
        Every difference with its interval, and lines for a person.

    Raises:
        UserError: for fewer than two evaluations, one that is none, or two of other datasets, splits or truths.
    """
    if len(config.scores) < 2:
        raise UserError("compare needs two evaluations or more: geovec-eval compare runs/a runs/b")
    first, *others = [_read(_folder(path)) for path in config.scores]
    taken = [
        f"{path}: took {found.folder.name}, the plain one of {count} evaluations"
        for path, found in zip(config.scores, (first, *others), strict=True)
        if path != found.folder and (count := len(_evaluations(path))) > 1
    ]
    for other in others:
        for key in _SAME:
            if other.scores[key] != first.scores[key]:
                raise UserError(
                    f"{first.folder} and {other.folder} have not the same {key.replace('_', ' ')}:"
                    f" {first.scores[key]} and {other.scores[key]}"
                )
    pairs: list[dict[str, Any]] = []
    for path, other in zip(config.scores[1:], others, strict=True):
        rows = _compared(first, other, config)
        names = {"first": str(config.scores[0]), "second": str(path)}
        pairs.append(names | {"rows": rows, "notes": too_few_parents(rows)})
    summary: dict[str, Any] = {
        "command": "compare",
        "dataset": first.scores["dataset"],
        "split": first.scores["split"],
        "bootstrap": config.bootstrap,
        "seed": config.seed,
        "folders": [str(e.folder) for e in (first, *others)],
        "pairs": pairs,
    }
    if config.out is not None:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        config.out.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return summary | {"human": [*taken, *(line for pair in pairs for line in _lines(pair))]}


def _folder(path: Path) -> Path:
    """Return the folder of an evaluation: the path itself, or of a model's the only one or the only plain one."""
    if (path / "scores.json").is_file():
        return path
    found = _evaluations(path)
    plain = [folder for folder in found if _is_plain(folder)] if len(found) > 1 else found
    if len(plain) == 1:
        return plain[0]
    if found:
        none = "" if plain else " and none is plain"
        raise UserError(f"{path} has several evaluations{none}; name one: {', '.join(map(str, found))}")
    raise UserError(f"{path} holds no scores.json, nor eval/*/scores.json; run: geovec-eval dataset=… model={path}")


def _evaluations(model: Path) -> list[Path]:
    return sorted(p.parent for p in model.glob("eval/*/scores.json"))


def _read(folder: Path) -> Evaluation:
    with _of_this_version(folder):
        whole = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        return Evaluation(folder, {k: whole[k] for k in _READ}, pq.read_table(folder / FILE))


def _is_plain(folder: Path) -> bool:
    """Tell whether nothing in an evaluation's question departs from the defaults."""
    with _of_this_version(folder):
        return not departs_of(json.loads((folder / "scores.json").read_text(encoding="utf-8")))


@contextmanager
def _of_this_version(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise UserError(
            f"{folder} is no evaluation by this version ({type(error).__name__}: {error}); run geovec-eval again"
        ) from error


def _compared(first: Evaluation, second: Evaluation, config: CompareConfig) -> list[dict[str, Any]]:
    rows = []
    theirs = second.rows()
    for name, mine in first.rows().items():
        row = dict(zip(("task", "scope", "subset"), name, strict=True))
        other = theirs.get(name, {"na": "not scored by the second"})
        if why := mine.get("na") or other.get("na"):
            rows.append(row | {"na": why})
        elif mine["pool_sha256"] != other["pool_sha256"]:
            rows.append(row | {"na": "the candidates differ"})
        else:
            rows.append(row | _difference(first.of(name), second.of(name), "/".join(name), config))
    return rows


def _difference(first: pa.Table, second: pa.Table, name: str, config: CompareConfig) -> dict[str, Any]:
    """Compare one row: both tables list its queries, in the same order when they are the same."""
    if not first.select(["query", "group"]).equals(second.select(["query", "group"])):
        return {"na": "the queries differ"}
    before, after = (np.column_stack([t.column(m).to_numpy() for m in METRICS]) for t in (first, second))
    by, clusters = resampled(*(first.column(name).to_pylist() for name in ("parent", "image")))
    seed = zlib.crc32(f"{config.seed}/{name}".encode())
    ends = interval(after - before, clusters, draws=config.bootstrap, seed=seed)
    return {
        "queries": len(before),
        "resampled_by": by,
        "resampled_units": int(clusters.max()) + 1,
        "metrics": _metrics(before, after, ends),
    }


def _metrics(before: Floats, after: Floats, ends: tuple[Floats, Floats] | None) -> dict[str, Any]:
    out = {}
    for m, name in enumerate(METRICS):
        low, high = (float(ends[0][m]), float(ends[1][m])) if ends else (None, None)
        out[name] = {
            "first": float(before[:, m].mean()),
            "second": float(after[:, m].mean()),
            "difference": float((after - before)[:, m].mean()),
            "low": low,
            "high": high,
            "real": low is not None and high is not None and (low > 0 or high < 0),
        }
    return out


def _lines(pair: dict[str, Any]) -> list[str]:
    table = [("task", "pool", "queries", *SHOWN)]
    for row in pair["rows"]:
        label = f"· {row['subset']}" if row["subset"] else row["task"]
        if "na" in row:
            table.append((label, row["scope"], "", f"n/a: {row['na']}", *([""] * (len(SHOWN) - 1))))
        else:
            table.append((label, row["scope"], f"{row['queries']:,}", *(_cell(row["metrics"][m]) for m in SHOWN)))
    return [
        f"{pair['first']} → {pair['second']}",
        *columns(table),
        "percent; the difference with its 95 % interval; *: the interval leaves zero out",
        *(f"note: {n}" for n in pair["notes"]),
    ]


def _cell(m: dict[str, Any]) -> str:
    spread = "" if m["low"] is None else f" [{100 * m['low']:+.1f}, {100 * m['high']:+.1f}]"
    star = " *" if m["real"] else ""
    return f"{100 * m['first']:.1f} → {100 * m['second']:.1f}: {100 * m['difference']:+.1f}{spread}{star}"
