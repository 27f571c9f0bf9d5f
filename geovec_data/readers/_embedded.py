"""A scene out of a row that holds the image itself; shared by Parquet tables, WebDataset shards and hub datasets."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from geovec_data.readers._columns import Columns, image_cell
from geovec_data.records import Reject, Scene


def embedded_scene(
    row: dict[str, Any], columns: Columns, corpus: str, key: str, split: str | None = None
) -> Scene | Reject:
    """Make a scene of a row that holds its image: bytes, or a struct {bytes, path}.

    Args:
        row: the cells.
        columns: which says what.
        corpus: recipe name.
        key: name of the row; the image's own file name is put behind it, so that rules of `origins` can match it.
        split: official split, when the reader knows it.
    """
    cell = image_cell(row, columns)
    name: Any = next((v for c in columns.name.removesuffix("?").split("|") if (v := row.get(c))), None)
    if isinstance(cell, dict):
        name, cell = name or cell.get("path"), cell.get("bytes")
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace").strip()
    if isinstance(name, str) and (base := PurePosixPath(name.replace("\\", "/")).name):
        key = f"{key}/{base}"
    if not isinstance(cell, bytes) or not cell:
        code = "empty_file" if cell == b"" else "missing_image"
        detail = f"no image in {columns.image}; there are: {', '.join(map(str, row)) or 'no cells'}"
        return Reject(corpus=corpus, path=key, stage="read", code=code, detail=detail)
    return columns.scene([row], corpus, key, path=key, data=cell, split=split)
