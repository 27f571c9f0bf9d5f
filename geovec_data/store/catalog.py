"""``catalog.duckdb``: views over the Parquet files and statistics, for people and SQL tools. Never the truth."""

from __future__ import annotations

import shutil
from pathlib import Path

from geovec_data.dataset import Dataset
from geovec_data.progress import say
from geovec_data.schema import BUILD_TABLES

CATALOG = "catalog.duckdb"


def write_catalog(dataset: Dataset, why: str = "") -> Path | None:
    """Write the catalog anew, beside and then in place of the old one.

    Args:
        dataset: of it.
        why: what was wrong with the old one, for a notice.

    Returns:
        Its path; None, and a notice, when it cannot be written: everything but SQL tools does without it.
    """
    import duckdb

    target = dataset.path / CATALOG
    try:
        _write(dataset, target)
    except (OSError, duckdb.Error) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        say(f"catalog: {why + ', and it ' if why else ''}cannot be written ({said}); going on without it")
        return None
    if why:
        say(f"catalog: {why}; rebuilt {target}")
    return target


def _write(dataset: Dataset, target: Path) -> None:
    """Write the catalog. View paths are absolute, as DuckDB needs."""
    import duckdb

    fresh = target.with_suffix(".tmp").absolute()
    if any(c in fresh.as_posix() for c in "\\?"):  # it would open a file of another name, in another folder
        raise OSError("DuckDB opens no file below a folder with ? or \\ in its name")
    if target.is_dir():
        shutil.rmtree(target)
    fresh.unlink(missing_ok=True)
    with duckdb.connect(str(fresh)) as con:
        con.execute("CREATE TABLE about (key VARCHAR, value VARCHAR)")
        con.executemany(
            "INSERT INTO about VALUES (?, ?)",
            [("path", str(dataset.path.resolve())), ("digest", dataset.manifest.counts["digest"])],
        )
        con.execute("CREATE TABLE statistics (corpus VARCHAR, task VARCHAR, split VARCHAR, examples BIGINT)")
        rows = [
            (corpus, task, split, n)
            for corpus, counts in dataset.manifest.counts["corpora"].items()
            for task, by in counts["tasks"].items()
            for split, n in by.items()
        ]
        if rows:
            con.executemany("INSERT INTO statistics VALUES (?, ?, ?, ?)", rows)
        for table in BUILD_TABLES:
            files = ", ".join("'" + str(f.resolve()).replace("'", "''") + "'" for f in dataset.files(table))
            if files:
                con.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet([{files}])")
    fresh.replace(target)


def ensure_catalog(dataset: Dataset) -> Path | None:
    """Return the catalog's path; rebuild it, and say so, when it is missing, stale, moved or unreadable.

    None: it cannot be written here (see `write_catalog`), as on a medium that is only read.
    """
    import duckdb

    target = dataset.path / CATALOG
    why = "missing"
    if target.is_file():
        try:
            with duckdb.connect(str(target.absolute()), read_only=True) as con:
                about = dict(con.execute("SELECT key, value FROM about").fetchall())
            if about.get("path") != str(dataset.path.resolve()):
                why = "of another place (the dataset was moved)"
            elif about.get("digest") != dataset.manifest.counts["digest"]:
                why = "of an older build"
            else:
                return target
        except duckdb.Error as error:
            why = f"unreadable ({str(error).splitlines()[0]})"
    return write_catalog(dataset, why)
