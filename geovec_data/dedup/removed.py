"""The rejects of deduplication: every image that went, with a pointer to the one that stays."""

from __future__ import annotations

import pyarrow as pa

from geovec_data import arrow
from geovec_data.dedup.exact import Copies
from geovec_data.dedup.near import Name, Near
from geovec_data.schema import arrow_schema


def removed(copies: Copies, near: Near) -> pa.Table:
    """Return rows of ``rejects`` for the copies and near-duplicates that went."""
    rows = []
    for name, kept, score in near.gone.values():
        rows.append(_row(name, "near_duplicate", f"{_near(name, kept, score)}; its labels and texts go with it"))
    for (image, corpus, key), first in copies.gone.items():
        name = corpus, key
        if image in near.gone:
            _, kept, score = near.gone[image]
            fate = _near(name, kept, score)
        else:
            fate = "which is kept; its labels and texts are joined to it"
        rows.append(_row(name, "duplicate_image", f"byte-identical to {_of(name, first)}, {fate}"))
    schema = arrow_schema("rejects")
    return arrow.table([[row[name] for row in rows] for name in schema.names], schema)


def _near(name: Name, kept: Name, score: float) -> str:
    return f"a near-duplicate of {_of(name, kept)} (similarity {score:.3f}), which is kept"


def _of(name: Name, other: Name) -> str:
    """Name another image, without its corpus where that is the same."""
    return other[1] if other[0] == name[0] else f"{other[0]}: {other[1]}"


def _row(name: Name, code: str, detail: str) -> dict[str, str]:
    return {"corpus": name[0], "path": name[1], "stage": "final", "code": code, "detail": detail, "level": "scene"}
