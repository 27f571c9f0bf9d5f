"""The page of successes and failures: queries of every task with what an encoder put first, as pictures."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from geovec_data.dataset import Dataset
from geovec_data.report.gallery import Mark, Pictures
from geovec_data.report.html import environment, style, write_page
from geovec_train.evaluation.metrics import Ranks, hit_at
from geovec_train.evaluation.pools import Pool
from geovec_train.evaluation.ranking import Vectors

FILE = "examples.html"
FIRST = 3  # candidates shown of a query
EACH = 3  # successes and failures shown of a task


class Showcase:
    """Gathers a few queries of each pool that is scored.

    Args:
        dataset: where items and images are.
        seed: another seed shows other queries.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self._dataset, self._seed = dataset, seed
        self._pictures = Pictures(dataset.images.get)
        self._sections: list[dict[str, Any]] = []

    def add(self, pool: Pool, ranks: Ranks, queries: Vectors, items: Vectors) -> None:
        """Choose queries of a pool whose first answer is surely right, and of those that find nothing right first."""
        hit = hit_at(ranks, 1)
        order = sorted(range(len(pool.queries)), key=lambda n: self._draw(pool, n))
        found = {
            "right": [n for n in order if hit[n] == 1][:EACH],
            "wrong": [n for n in order if hit[n] == 0][:EACH],
        }
        cards = [
            self._card(pool, n, ranks, queries[n], items) | {"outcome": outcome}
            for outcome, some in found.items()
            for n in some
        ]
        share = float(hit.mean()) if len(hit) else 0.0
        self._sections.append({"task": pool.task, "scope": pool.scope, "share": share, "cards": cards})

    def _draw(self, pool: Pool, n: int) -> bytes:
        text = f"{self._seed}/{pool.task}/{pool.queries[n]}/{pool.query_groups[n]}"
        return hashlib.sha256(text.encode()).digest()

    def _card(self, pool: Pool, n: int, ranks: Ranks, query: Vectors, items: Vectors) -> dict[str, Any]:
        candidates = pool.groups[pool.query_groups[n]]
        candidates = candidates[candidates != pool.barred[n]]
        scores = items[candidates] @ query
        best = np.argsort(-scores, kind="stable")[:FIRST]
        right = set(pool.positives[n].tolist())
        shown = [
            {
                "pieces": self._pieces(pool.items[candidates[c]], "positive" if candidates[c] in right else "negative"),
                "score": float(scores[c]),
                "right": bool(candidates[c] in right),
            }
            for c in best
        ]
        missed = not any(s["right"] for s in shown)
        return {
            "query": self._pieces(pool.queries[n], "query"),
            "first": shown,
            "answer": self._pieces(pool.items[pool.positives[n][0]], "positive") if missed else [],
            "rank": int(ranks.above[n]) + 1,
            "of": len(candidates),
        }

    def _pieces(self, item: str, role: str) -> list[tuple[str, Any]]:
        """Return an item as pieces of the page: its picture with its boxes, its texts, its coordinate."""
        segments = self._dataset.items.segments(item)
        marks = [Mark(s.box, role) for s in segments if s.box is not None]
        pieces: list[tuple[str, Any]] = []
        for s in segments:
            if s.image is not None:
                pieces.append(("picture", self._pictures.show(s.image, f"{role} image", marks)))
            elif s.text is not None:
                pieces.append(("text", s.text))
            elif s.lon is not None and s.lat is not None:
                pieces.append(("text", f"{s.lat:.4f}° latitude, {s.lon:.4f}° longitude"))
        return pieces

    def write(self, folder: Path, facts: dict[str, Any]) -> None:
        """Write the page, whole or not at all; `facts` are those of ``scores.json``."""
        html = (
            environment(Path(__file__).parent)
            .get_template("showcase.html")
            .render(
                facts=facts,
                sections=self._sections,
                style=Markup(style()),
                pictures=self._pictures.definitions(),
                credits=[(s.title, s.attribution) for s in self._dataset.manifest.sources],
            )
        )
        write_page(folder / FILE, html)
