"""Parquet shards that `datasets` reads with pictures and boxes, and the card that names their configurations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP = 100  # a row may hold several pictures
DICTIONARY = 1 << 28  # bytes: a picture that several rows of a group hold is written once


def write_rows(features: Any, rows: Iterable[dict[str, Any]], path: Path) -> int:
    """Write rows as one Parquet file with `features` in its schema's metadata; returns their number.

    Args:
        features: a `datasets.Features`; pictures are dictionaries of ``bytes`` and ``path``.
        rows: one dictionary a row.
        path: the file.
    """
    schema: pa.Schema = features.arrow_schema
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd", dictionary_pagesize_limit=DICTIONARY) as writer:
        for batch in _batches(iter(rows), ROWS_PER_GROUP):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema), row_group_size=len(batch))
            count += len(batch)
    return count


def _batches(rows: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, size)):
        yield batch


def picture(data: bytes, name: str) -> dict[str, Any]:
    """Return a picture as `datasets.Image` stores it."""
    return {"bytes": data, "path": name}


def card(title: str, text: list[str], configs: dict[str, dict[str, str]], licences: list[str]) -> str:
    """Return a card whose header tells `datasets.load_dataset` the configurations and their files.

    Args:
        title: heading.
        text: lines below it.
        configs: configuration → split → glob of its files; the first is the default.
        licences: names of the sources' licences.
    """
    lines = ["---", "license: other", f"license_name: {_quoted(', '.join(dict.fromkeys(licences)))}", "configs:"]
    for number, (name, files) in enumerate(configs.items()):
        lines.append(f"- config_name: {_quoted(name)}")
        if number == 0:
            lines.append("  default: true")
        lines.append("  data_files:")
        for split, pattern in files.items():
            lines += [f"  - split: {split}", f"    path: {_quoted(pattern)}"]
    return "\n".join([*lines, "---", "", f"# {title}", "", *text, ""])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
