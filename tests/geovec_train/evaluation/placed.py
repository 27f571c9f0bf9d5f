"""An encoder that is a function of item ids, for tests that must know every vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from geovec_data.dataset import Dataset
from geovec_train.evaluation import vectors

Place = Callable[[Dataset, list[str], bool], np.ndarray]


def put_in_place(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    """Replace the encoder by a function of item ids."""

    class Card:
        fingerprint = "f" * 64

    class Codecs:
        name = "qwen2vl+lat_lon"

    class Placed:
        device, card, codecs = "cpu", Card(), Codecs()

        def __init__(self, model: str, dataset: Dataset, **_: Any) -> None:
            self.dataset = dataset

        def takes(self, modality: str) -> bool:
            return True

        def vectors(self, ids: list[str], instruction: str | None, view: object = None) -> np.ndarray:
            return place(self.dataset, ids, instruction is not None)

    monkeypatch.setattr(vectors, "Vectorizer", Placed)


def oracle(dataset: Dataset, ids: list[str], is_query: bool) -> np.ndarray:
    """Put every query on the mean of its positives, in any task of any split."""
    items = dataset.read("items", ["id"]).column("id").to_pylist()
    at = {i: n for n, i in enumerate(items)}
    out = np.zeros((len(ids), len(items)), np.float32)
    if not is_query:
        out[np.arange(len(ids)), [at[i] for i in ids]] = 1
        return out
    con = dataset.connect()
    for n, query in enumerate(ids):
        rows = con.execute("SELECT DISTINCT item FROM positives WHERE query = ? AND split = 'test'", [query]).fetchall()
        out[n, [at[r[0]] for r in rows]] = 1
    con.close()
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True))


def rows_of(scores: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(r["task"], r["scope"]): r for r in scores["tasks"]}
