"""Which mining run to take negatives from: one rule for the trainer and the exports."""

from __future__ import annotations

from pathlib import Path

from geovec_data.dataset import Dataset
from geovec_data.errors import UserError, suggest


def choose_run(dataset: Dataset, name: str | None, option: str = "negatives") -> Path | None:
    """Return the folder of the mining run to take negatives from.

    Args:
        dataset: the dataset.
        name: a run, ``none``, or None: no run when there is none, the only run when there is one.
        option: what the command calls it.

    Raises:
        UserError: when there is no such run, or several and none is named.
    """
    or_none = " (or none)" if option == "negatives" else ""
    if name == "none" and or_none:
        return None
    folder = dataset.path / "mining"
    runs = sorted(p.parent.name for p in folder.glob("*/negatives.parquet")) if folder.is_dir() else []
    if name is None:
        if len(runs) > 1:
            raise UserError(f"{option}=… is needed: there are several mining runs: {', '.join(runs)}{or_none}")
        return folder / runs[0] if runs else None
    if name not in runs:
        if not runs:
            raise UserError(
                f"{option}={name}: dataset={dataset.path} has no finished mining run; make one with:"
                f" geovec-data mine dataset={dataset.path} encoder=… run={name}"
            )
        known = [*runs, "none"] if or_none else runs
        raise UserError(f"{option}={name}: no such mining run.{suggest(name, known)}")
    return folder / name
