"""The gate's place in the final stage: it writes the table `leaks` and, where it drops, the split anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from geovec_data.leaks.drop import REWRITTEN
from geovec_data.leaks.gate import Gate, Verdict
from geovec_data.leaks.options import Rule
from geovec_data.store.manifest import Shard
from geovec_data.store.sql import stream, view
from geovec_data.store.writer import write_stream

_ORDER = "rule, held_out, split, train, detail"


def write_kept(gate: Gate, fresh: Path) -> list[Shard]:
    """Let the leak gate look; returns the shards of the split tables that are written anew: none, unless it drops."""
    if not gate.look():
        return []
    con, shards = gate.con, []
    for table, sql in REWRITTEN.items():
        con.execute(f"CREATE TEMP TABLE _{table} AS {sql}")
    for table, sql in REWRITTEN.items():
        order = sql.rpartition(" ORDER BY ")[2].replace("s.", "")
        written = write_stream(fresh, table, stream(con, f"SELECT * FROM _{table} ORDER BY {order}", table))
        con.execute(f"DROP VIEW IF EXISTS {table}")
        view(con, fresh, written, table)
        shards += written
    return shards


def write_leaks(gate: Gate, fresh: Path, known: Mapping[str, tuple[Rule, ...]]) -> tuple[Verdict, list[Shard]]:
    """Let the leak gate judge; returns its verdict and the shards of `leaks`.

    Args:
        gate: the gate; it has looked.
        fresh: folder to write into.
        known: corpus → rules by which its split is known to leak.
    """
    verdict = gate.verdict(known)
    rows = stream(gate.con, f"SELECT * FROM leaks ORDER BY {_ORDER}", "leaks")
    return verdict, write_stream(fresh, "leaks", rows)
