"""Vectors that do not depend on how numbers are written: taken over from the stores of other codecs, not made anew."""

from __future__ import annotations

import json
from dataclasses import asdict

import pyarrow as pa
import pyarrow.compute as pc

from geovec_data.mining.cache import EmbeddingStore, Key

_FIELDS = ("encoder", "role", "instruction", "codecs")
_AT_ONCE = 65536  # vectors


def borrow(store: EmbeddingStore, ids: pa.StringArray, dimension: int) -> None:
    """Copy vectors that stores of the same encoder, role and instruction with other codecs have.

    Args:
        store: where they go; its lock is held.
        ids: items without a box and without a coordinate.
        dimension: length of the encoder's vectors; a store of others is let alone.
    """
    for key in _siblings(store):
        missing = store.missing(ids)
        if not len(missing):
            return
        other = EmbeddingStore(store.folder.parent.parent, key)
        if other.dimension != dimension:
            continue
        there = missing.filter(pc.invert(pc.is_in(missing, value_set=other.missing(missing))))
        for start in range(0, len(there), _AT_ONCE):
            some = there[start : start + _AT_ONCE]
            store.add(some.to_pylist(), other.take(other.locate(some)))
        if len(there):
            store.refresh()


def _siblings(store: EmbeddingStore) -> list[Key]:
    """List the other stores whose vectors differ from this one's by the codecs alone."""
    own = asdict(store.key)
    found = []
    for file in sorted(store.folder.parent.glob("*/key.json")):
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
            values = {name: said[name] for name in _FIELDS}
        except (OSError, ValueError, KeyError, TypeError):  # no store of ours, or one that is being made
            continue
        if values != own and values | {"codecs": own["codecs"]} == own:
            found.append(Key(**values))
    return found
