"""``geovec-data export``: the dataset in the form of another tool."""

from __future__ import annotations

import errno
import hashlib
import importlib
import json
import time
from typing import Any

from geovec_data.dataset import Dataset
from geovec_data.errors import ResourceFault, UserError, suggest
from geovec_data.export.config import ExportConfig
from geovec_data.export.flat import Flattener
from geovec_data.export.folder import Folder
from geovec_data.export.job import Job, Writer
from geovec_data.export.rows import Examples, Span
from geovec_data.mining.runs import choose_run
from geovec_data.progress import bar
from geovec_data.render import Codecs
from geovec_data.splits.options import SPLITS
from geovec_data.store.manifest import MANIFEST

WRITERS = {
    "hf": "hf",
    "webdataset": "webdataset",
    "mmeb": "mmeb",
    "sentence-transformers": "pairs",
    "ms-swift": "swift",
    "ids": "ids",
}
HOW_TO_LOAD = {
    "hf": 'datasets.load_dataset("{out}", "images") and (…, "examples")',
    "webdataset": 'webdataset.WebDataset("{out}/train-{{000000..}}.tar")',
    "mmeb": 'datasets.load_dataset("{out}", "<task>"), image_dir="{out}"',
    "sentence-transformers": 'datasets.load_dataset("{out}", "<task>", split="train")',
    "ms-swift": "swift sft --task_type embedding --dataset {out}/train/*.jsonl (from within {out})",
    "ids": 'duckdb: SELECT * FROM "{out}/train/*.parquet"; items.jsonl holds every item',
}
# options that do not change what an export holds
_NOT_SETTINGS = {"dataset", "out"}


def run(config: ExportConfig) -> dict[str, Any]:
    """Export a dataset; a second call with the same options continues or finds nothing to do.

    Returns:
        The summary, as in ``summary.json`` of the export.

    Raises:
        UserError: for a dataset, task, split, mining run or codec that does not serve; a folder in use.
        ResourceFault: when the disk is full; finished shards stay.
    """
    started = time.monotonic()
    dataset = Dataset(config.dataset)
    for split in config.splits:
        if split not in (*SPLITS, "unused"):
            raise UserError(f"splits: no split '{split}'.{suggest(split, (*SPLITS, 'unused'))}")
    for task in config.tasks or ():
        if task not in dataset.manifest.tasks:
            raise UserError(f"tasks: the dataset has no task '{task}'.{suggest(task, dataset.manifest.tasks)}")
    codecs = Codecs.named(config.box_codec, config.coordinate_codec)
    negatives = choose_run(dataset, config.negatives)
    settings = config.model_dump(mode="json", exclude=_NOT_SETTINGS) | {
        "negatives": negatives and negatives.name,
        "dataset": hashlib.sha256((dataset.path / MANIFEST).read_bytes()).hexdigest(),
    }
    examples = Examples(dataset, negatives, config.negatives_per_example)
    tasks = sorted(set(config.tasks or dataset.manifest.tasks))
    spans = [s for t in tasks for split in config.splits for s in examples.spans(t, split, config.rows_per_shard)]
    if not spans:
        raise UserError(f"dataset={config.dataset} has no example of {', '.join(tasks)} in {', '.join(config.splits)}")
    try:
        job = _write(config, dataset, examples, spans, codecs, settings, negatives is not None)
        summary = _summary(config, job, round(time.monotonic() - started, 2))
        (config.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"cannot write {error.filename or config.out}: {error.strerror}") from error
        raise ResourceFault(
            f"no space left for {config.out}; finished shards are kept, the same command goes on"
        ) from error
    return summary


def _write(
    config: ExportConfig,
    dataset: Dataset,
    examples: Examples,
    spans: list[Span],
    codecs: Codecs,
    settings: dict[str, Any],
    has_negatives: bool,
) -> Job:
    folder = Folder(config.out, settings)
    formats = dict(examples.connection.execute("SELECT id, format FROM images").fetchall())
    flat = Flattener(dataset, codecs, config.instruction)
    writer: Writer = importlib.import_module(f"geovec_data.export.{WRITERS[config.format]}").write
    with bar(sum(s.rows for s in spans), "examples", f"export {config.format}") as advance:
        job = Job(dataset, config, folder, examples, flat, spans, formats, has_negatives, advance)
        writer(job)
    return job


def _summary(config: ExportConfig, job: Job, seconds: float) -> dict[str, Any]:
    human = [f"{config.out}: {sum(job.counts.values()):,} rows, format {config.format}"]
    human += [f"  {name:<40} {n:>10,}" for name, n in sorted(job.counts.items()) if n]
    human += [f"left out: {n:,} examples ({why})" for why, n in sorted(job.left_out.items())]
    if not job.folder.written:
        human.append("nothing to do: every file was there already")
    elif job.folder.kept:
        human.append(f"{job.folder.kept:,} files of an earlier call were kept")
    human.append("load it with: " + HOW_TO_LOAD[config.format].format(out=config.out))
    return {
        "command": "export",
        "dataset": str(config.dataset),
        "out": str(config.out),
        "format": config.format,
        "rows": dict(sorted(job.counts.items())),
        "left_out": dict(job.left_out),
        "seconds": seconds,
        "human": human,
    }
