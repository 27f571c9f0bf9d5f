"""A run's folder: what it was begun with, so that the same command goes on and another one is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError
from geovec_data.ids import digest
from geovec_data.mining.model_folder import first_line
from geovec_train.config import TrainConfig
from geovec_train.models.presets import PRESETS

SETTINGS_FILE = "train.json"
SUMMARY_FILE = "summary.json"
CHECKPOINT = "checkpoint"  # transformers' own name: it reads the step from it
_NAME = "model_name"  # as the user gave it, for messages alone
# Options that change nothing in what is learnt, and paths, whose content is compared instead.
_FREE = {
    "dataset",
    "out",
    "model",
    "negatives",
    "save_every",
    "keep",
    "log_every",
    "cache_mb",
    "workers",
    "device",
    "mini_batch",
    "mini_batch_tokens",
    "gradient_checkpointing",
}
_FREE_IN_MINE = {"batch", "workers"}  # of the options of mining anew


def begin(config: TrainConfig, dataset: Dataset, negatives: Path | None) -> None:
    """Note the settings of a new run in ``out/train.json``, or see that they are those of the run that is there.

    Raises:
        UserError: when `out` holds a run with other settings or unreadable ones, or things that are no run; when it is
            the model's folder.
    """
    out = config.out
    if config.model not in PRESETS and out.resolve() == Path(config.model).resolve():
        raise UserError(f"out={out} is the folder of model={config.model}; choose another")
    asked = settings(config, dataset, negatives)
    file = out / SETTINGS_FILE
    if out.exists() and not out.is_dir():
        raise UserError(f"out={out} is a file; choose a folder")
    if not file.is_file():
        held = sorted(p.name for p in out.iterdir() if p.name != ".lock") if out.is_dir() else []
        if held:
            raise UserError(f"out={out} holds things that are no run of geovec-train ({held[0]}, …); choose another")
    elif (out / SUMMARY_FILE).is_file() or checkpoints(out / "checkpoints"):
        there = _read(file)
        # a run of an older version lacks what is new since, and has what was not free then
        there = _decisive(TrainConfig(dataset=config.dataset, out=out).model_dump(mode="json") | there)
        other = [
            f"{k}: {_said(k, there)} there, {_said(k, asked)} asked"
            for k, v in asked.items()
            if k != _NAME and there.get(k) != v
        ]
        if other:
            raise UserError(
                f"out={out} holds a run with other settings ({'; '.join(other[:4])}). Choose another out, or delete it"
            )
        return
    # a new run, or one that stopped before its first checkpoint: nothing is lost
    out.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".tmp")
    part.write_text(json.dumps(asked, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(file)


def settings(config: TrainConfig, dataset: Dataset, negatives: Path | None) -> dict[str, Any]:
    """Return what decides the trained weights: options, and hashes of what the paths hold."""
    from geovec_train.models.load import check_folder

    return {
        "model": config.model if config.model in PRESETS else _hash(check_folder(config.model)),
        _NAME: config.model,
        **{k: v for k, v in _decisive(config.model_dump(mode="json")).items() if k not in _FREE},
        "dataset": digest(dataset.manifest.text()),
        "negatives": None if negatives is None else _hash(negatives),
    }


def _decisive(values: dict[str, Any]) -> dict[str, Any]:
    """Return the options without those of mining anew that change nothing in what is mined."""
    return values | {"mine": {k: v for k, v in values["mine"].items() if k not in _FREE_IN_MINE}}


def _read(file: Path) -> dict[str, Any]:
    """Return what a file of the run's folder holds.

    Raises:
        UserError: when it is damaged.
    """
    try:
        values: dict[str, Any] = dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{file} is damaged ({first_line(error)}), so the run there can neither be compared nor go on. Choose"
            f" another out, or delete {file.parent} and train again"
        ) from error
    return values


def _said(option: str, values: dict[str, Any]) -> str:
    """Return an option's value for a person; a model by its name, and by its content where that is not the name."""
    if option != "model" or values["model"] == values.get(_NAME):
        return str(values.get(option))
    return f"{values.get(_NAME, 'a model')} (content {values['model'][:8]})"


def _hash(folder: Path) -> str:
    """Hash the weights (or Parquet files) and configuration of a folder, by content."""
    h = hashlib.sha256()
    kinds = ("*.safetensors", "*.parquet", "*.json")
    own = {SETTINGS_FILE, SUMMARY_FILE}
    for file in sorted(p for kind in kinds for p in folder.glob(kind) if p.name not in own):
        h.update(f"{file.name}:{file.stat().st_size};".encode())
        with file.open("rb") as handle:
            while block := handle.read(1 << 22):
                h.update(block)
    return h.hexdigest()[:32]


def finished(out: Path) -> dict[str, Any] | None:
    """Return the summary of a finished run, or None.

    Raises:
        UserError: when it is damaged.
    """
    file = out / SUMMARY_FILE
    if not file.is_file():
        return None
    return _read(file)


def checkpoints(home: Path) -> list[Path]:
    """Return the whole checkpoints of a run, oldest first."""
    found = [p for p in home.glob(f"{CHECKPOINT}-*") if p.name.rpartition("-")[2].isdigit()]
    return sorted(found, key=lambda p: int(p.name.rpartition("-")[2]))
