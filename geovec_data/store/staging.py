"""What a unit's staged files are called."""

from __future__ import annotations


def staged_name(table: str) -> str:
    """Return a staged file's name: images are Parquet, which the dataset takes as it is; the rest is sorted Arrow."""
    return "images.parquet" if table == "images" else f"{table}.sorted.arrow"
