"""The audit's page: the two tables, the curves, and the worst false negatives as pictures; one self-contained file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from geovec_data.audit.audited import Audited
from geovec_data.audit.chart import curves_chart
from geovec_data.audit.words import NAMES, SHOWN, said, sentence
from geovec_data.dataset import Dataset
from geovec_data.mining.items import Ints
from geovec_data.report.gallery import Mark, Pictures
from geovec_data.report.html import environment, style, write_page

_SHOWN = {"mean_similarity": "mean similarity of the negatives", "near_share": "share within 0.95 of the positive"}


def write(dataset: Dataset, summary: dict[str, Any], audited: Sequence[Audited], worst: int, out: Path) -> Path:
    """Write the page and return its file."""
    pictures = Pictures(dataset.images.get)
    sections = [_section(dataset, a, summary["k"], worst, pictures) for a in audited]
    env = environment(Path(__file__).parent)
    env.filters["said"] = said
    own = (Path(__file__).parent / "audit.css").read_text(encoding="utf-8")
    html = env.get_template("page.html").render(
        summary=summary,
        name=dataset.path.resolve().name,
        title=str(dataset.manifest.recipe.get("title") or dataset.path.resolve().name),
        credits=[(s.title, s.attribution) for s in dataset.manifest.sources],
        sections=sections,
        style=Markup(style() + own),
        pictures=pictures.definitions(),
        names=NAMES,
    )
    write_page(out, html)
    return out


def _section(dataset: Dataset, audited: Audited, k: int, worst: int, pictures: Pictures) -> dict[str, Any]:
    points = audited.facts["labels_withheld"]["points"]
    shown = _Shown(dataset, audited, pictures)
    cards = [shown.card(n) for n in worst_of(audited)[:worst].tolist()]
    return {
        "facts": audited.facts,
        "rows": [p for p in points if p["varied"] == "k" and p["value"] == k],
        "sentences": [sentence(d) for d in audited.facts["labels_withheld"]["differences"][:SHOWN]],
        "charts": [(words, curves_chart(points, name, label=words)) for name, words in _SHOWN.items()],
        "cards": cards,
        "false": int(audited.false[audited.ours].sum()),
    }


def worst_of(audited: Audited) -> Ints:
    """Order the false negatives that the policy takes with labels withheld: nearest to the positive's score first.

    One of each query, so that the page does not show the same mistake twenty times.
    """
    pool = audited.pool
    index = audited.ours[audited.false[audited.ours]]
    above = pool.found.score[index] - pool.limit[index]
    index = index[np.lexsort((index, -above))]
    _, first = np.unique(audited.plan.query[pool.found.row[index]], return_index=True)
    out: Ints = index[np.sort(first)]
    return out


class _Shown:
    """Items of a task as pieces of the page."""

    def __init__(self, dataset: Dataset, audited: Audited, pictures: Pictures) -> None:
        self._dataset = dataset
        self._audited = audited
        self._items = audited.pool.truth.items
        self._pictures = pictures

    def card(self, candidate: int) -> dict[str, Any]:
        """Return what is shown of one false negative."""
        pool, plan, known = self._audited.pool, self._audited.plan, self._audited.known
        row, item = int(pool.found.row[candidate]), int(pool.found.item[candidate])
        query = int(plan.query[row])
        positive = int(plan.positives.take(np.array([row]))[1][0])
        return {
            "query": self._pieces(query, "query"),
            "positive": self._pieces(positive, "positive", first=query),
            "negative": self._pieces(item, "negative"),
            "score": float(pool.found.score[candidate]),
            "positive_score": float(pool.positive.low[row]),
            "query_label": known.name_of(known.query, query),
            "label": known.name_of(known.item, item),
            "rank": int(candidate - np.searchsorted(pool.found.row, row)) + 1,
        }

    def _pieces(self, item: int, role: str, first: int = -1) -> list[tuple[str, Any]]:
        """Return what an item shows; a text with a picture that it describes, `first` if it is among them."""
        segments = self._dataset.items.segments(self._items.ids[item].as_py())
        out: list[tuple[str, Any]] = [("text", s.text) for s in segments if s.text]
        image = next((s.image for s in segments if s.image), None)
        boxes = [s.box for s in segments if s.box is not None]
        if image is None:
            faces = self._audited.pool.truth.faces.take(np.array([item]))[1].tolist()
            for face in sorted(faces, key=lambda f: f != first)[:1]:
                linked = self._dataset.items.segments(self._items.ids[face].as_py())
                image = next((s.image for s in linked if s.image), None)
                boxes = [s.box for s in linked if s.box is not None]
        if image is not None:
            out.insert(0, ("picture", self._pictures.show(image, f"{role} image", [Mark(b, role) for b in boxes])))
        return out
