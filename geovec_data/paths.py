"""What a path means that a user wrote."""

from __future__ import annotations

from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder for ``~`` and ``~/…``; any other name that begins with ``~`` is literal.

    A literal one becomes absolute: DuckDB and pyarrow put a home in its place where they are given it as it is.
    """
    text = str(path)
    if text == "~" or text.startswith("~/"):
        return Path(text).expanduser()
    literal = Path(text)  # of ./~x it is ~x
    return literal.absolute() if str(literal).startswith("~") else literal
