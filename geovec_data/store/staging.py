"""What a unit's staged files are called, and how the Arrow ones are opened."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa


def staged_name(table: str) -> str:
    """Return a staged file's name: images are Parquet, which the dataset takes as it is; the rest is sorted Arrow."""
    return "images.parquet" if table == "images" else f"{table}.sorted.arrow"


def mapped(file: Path) -> pa.Table:
    """Open a staged Arrow file: its pages are read as they are asked for, and belong to nobody."""
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).read_all()
