"""`geovec-eval`: rank a held-out split's pools with an encoder and write what came of it, with chance beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.paths import expanded
from geovec_train.evaluation import geo_error
from geovec_train.evaluation.blind import Blind
from geovec_train.evaluation.departures import departures, folder_name, usual_split
from geovec_train.evaluation.macro import macro
from geovec_train.evaluation.pools import Pool, Scope, Truth, pools, split_of
from geovec_train.evaluation.score_row import absent_row, too_few_parents
from geovec_train.evaluation.scoreboard import human, json_text, markdown
from geovec_train.evaluation.scoring import Scorer
from geovec_train.evaluation.unseen import without_seen_captions
from geovec_train.model_card import note_scores

if TYPE_CHECKING:
    import duckdb


class EvalConfig(BaseModel):
    """Options of `geovec-eval`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Path = Field(description="dataset directory, made by geovec-data build")
    model: str = Field(
        description="any SentenceTransformer or Qwen-VL: a training run, a folder, a hub name, or qwen2vl_2b, …"
    )
    split: str | None = Field(None, description="split to score; null: test if it has examples, else val")
    tasks: list[str] = Field(default_factory=list, description="tasks to score; empty: all that the split has")
    truth: Truth = Field(
        "union",
        description="union: every positive that any example gives a query is right; own: each example by itself with"
        " its own positives, as papers with one ground truth per query score",
    )
    blind: Blind | None = Field(
        None,
        description="image, box or text: take that part from the queries (or, where they have none, the targets);"
        " what is still right was not seen there. null: nothing is taken",
    )
    out: Path | None = Field(
        None,
        description="folder to write; null: <model>/eval/<dataset name> (hub: eval/<model>/…), and after the"
        " name what departs from the defaults, as in <dataset name>.split_train",
    )
    bootstrap: int = Field(1000, ge=0, description="replicates of the bootstrap interval; 0: no interval")
    seed: int = Field(0, description="of the bootstrap")
    box: str | None = Field(None, description="box codec; null: the one saved with the model, else qwen2vl")
    coordinate: str | None = Field(
        None, description="coordinate codec; null: the one saved with the model, else lat_lon"
    )
    device: str = Field("auto", description="auto (a CUDA device if there is one), cpu, cuda, cuda:<n> or mps")
    batch: int = Field(32, ge=1, description="items per forward pass")
    workers: int = Field(2, ge=1, description="threads that decode images ahead of the encoder")

    @field_validator("device")
    @classmethod
    def _device_is_known(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
            raise ValueError("device is auto, cpu, cuda, cuda:<n> or mps")
        return value


def run(config: EvalConfig) -> dict[str, Any]:
    """Score an encoder on a dataset's held-out split and write ``scores.json``, ``scores.md`` and the pools.

    Returns:
        What ``scores.json`` holds, and lines for a person.

    Raises:
        UserError: for a dataset, split, task or model that is not there or does not load, or none that applies.
        DataFault: when the encoder's vectors are not finite.
    """
    from geovec_train.evaluation.vectors import Vectorizer

    dataset = Dataset(config.dataset)
    con = dataset.connect()
    try:
        split, why = split_of(dataset, con, config.split)
        whole = list(pools(dataset, con, split, config.tasks or None, config.truth))
        asked = [row for pool in whole for row in (pool, *without_seen_captions(con, pool))]
        kinds = {p.task: _kinds(con, p) for p in asked}
        places = {p.task: geo_error.places(con, p) for p in whole}
        usual = usual_split(dataset, con)
    finally:
        con.close()
    encoder = Vectorizer(
        config.model,
        dataset,
        box=config.box,
        coordinate=config.coordinate,
        device=config.device,
        batch=config.batch,
        workers=config.workers,
    )
    departs = departures(config, dataset, split, usual, encoder)
    out = _folder(config, folder_name(dataset.path.resolve().name, departs))
    scorer = Scorer(dataset, encoder, blind=config.blind, draws=config.bootstrap, seed=config.seed)
    rows = [row for p in asked for row in scorer.rows(p, kinds[p.task], places[p.task])]
    having = {p.task for p in asked}
    for task in sorted(set(config.tasks or dataset.manifest.tasks) - having):
        meta = dataset.manifest.tasks[task].meta_task
        rows.append(absent_row(task, meta, None, f"no examples in split {split}"))
    means = macro(rows)
    scores = {
        "dataset": dataset.path.resolve().name,
        "dataset_fingerprint": dataset.manifest.fingerprint,
        "model": Path(config.model).name or config.model,
        "model_fingerprint": encoder.card.fingerprint,
        "codecs": encoder.codecs.name,
        "split": split,
        "split_note": why,
        "truth": config.truth,
        "blind": config.blind,
        "departs": departs,
        "bootstrap": config.bootstrap,
        "seed": config.seed,
        "notes": [*dataset.manifest.notes, *_caveats(rows, means, config)],
        "tasks": rows,
        "macro": means,
    }
    _write(out, scores, asked, scorer)
    if out.parent.name == "eval":
        note_scores(out.parent.parent)
    return scores | {"command": "eval", "out": str(out), "human": [*human(scores), f"written to {out}"]}


def _folder(config: EvalConfig, name: str) -> Path:
    """Return where the scores go: to a folder of this name beside a local model, unless `out` says otherwise."""
    if config.out is not None:
        return config.out
    model = expanded(config.model)
    return model / "eval" / name if model.is_dir() else Path("eval") / model.name / name


def _kinds(con: duckdb.DuckDBPyConnection, pool: Pool) -> tuple[set[str], set[str]]:
    """Return the modalities of a pool's queries and of its candidates."""

    def of(ids: list[str]) -> set[str]:
        rows = con.execute(
            "SELECT DISTINCT modality FROM items WHERE id IN (SELECT unnest($ids))", {"ids": ids}
        ).fetchall()
        return {r[0] for r in rows}

    return of(pool.queries), of(pool.items)


def _caveats(rows: list[dict[str, Any]], means: dict[str, Any], config: EvalConfig) -> list[str]:
    """Say where an interval or a figure means less than it seems to."""
    notes = []
    if not any(r["metrics"] for r in rows):
        notes.append("Nothing was scored: no task of this split is one that the encoder can take.")
    elif means["missing"]:
        notes.append(f"The mean of all is one without {', '.join(means['missing'])}: nothing of them was scored.")
    if config.blind:
        notes.append(f"Blind: scored with the {config.blind} taken away, from the queries where they have one.")
    if config.truth == "own":
        notes.append("Each example is a query and only its own positives are right: repeated texts cap the scores.")
    notes += too_few_parents(rows)
    for r in rows:
        if r.get("nothing_to_find"):
            notes.append(
                f"{r['task']}, scope {r['scope']}: {r['nothing_to_find']:,} of {r['queries']:,} queries have only right"
                " candidates; see chance."
            )
    return notes


def _write(out: Path, scores: dict[str, Any], asked: list[Pool], scorer: Scorer) -> None:
    """Write the pools, the answers and the page first and ``scores.json`` last, each whole."""
    folder = out / "pools"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {f"{pool.task}.{pool.scope}.tsv": pool for pool in asked}
        for scope in get_args(Scope):
            for left in folder.glob(f"*.{scope}.tsv"):  # of an earlier call: no row here is of that pool
                if left.name not in files:
                    left.unlink()
        for name, pool in files.items():
            with (folder / name).open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(pool.listing())
        scorer.answers.write(out)
        scorer.showcase.write(out, scores)
        for name, text in (("scores.md", markdown(scores)), ("scores.json", json_text(scores))):
            temporary = out / f"{name}.tmp"
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(out / name)
    except OSError as error:
        raise UserError(f"cannot write the scores to {out} ({error.strerror}); choose another out=") from error
