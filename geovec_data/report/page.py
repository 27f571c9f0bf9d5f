"""What the page shows, gathered from the dataset and from the files that mining, training and evaluation leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geovec_data.dataset import Dataset
from geovec_data.records import Segments
from geovec_data.report import charts, facts, runs
from geovec_data.report.gallery import Mark, Pictures
from geovec_data.store.by_corpus import HEAD, by_corpus

if TYPE_CHECKING:
    import duckdb

    from geovec_data.report.config import ReportConfig

METRICS = ("P@1", "R@5", "R@10", "MRR")


class Page:
    """Gathers what the template shows; `absent` collects what there was nothing to show of."""

    def __init__(
        self, dataset: Dataset, con: duckdb.DuckDBPyConnection, pictures: Pictures, config: ReportConfig
    ) -> None:
        self.dataset, self.con, self.pictures, self.config = dataset, con, pictures, config
        self.absent: list[str] = []

    def values(self) -> dict[str, Any]:
        """Return the template's variables."""
        manifest = self.dataset.manifest
        tasks = facts.tasks(self.dataset, self.con)
        shown, further = facts.categories(self.con)
        return {
            "m": manifest,
            "title": self._title(),
            "summary": manifest.recipe.get("summary", ""),
            "name": self.config.dataset.resolve().name,
            "totals": facts.totals(self.con),
            "by_corpus": by_corpus(manifest),
            "by_corpus_head": HEAD,
            "synthesised": facts.synthesised(self.con),
            "splits": facts.SPLITS,
            "tasks": tasks,
            "most": max((t.total for t in tasks), default=0) or 1,
            "categories": shown,
            "more_categories": further,
            "rejects": facts.rejects(self.con),
            "scenes": [self._scene(s) for s in facts.scenes(self.con, self.config.scenes, self.config.seed)],
            "gallery": {t.name: self._cards(t.name) for t in tasks if t.total},
            "mining": self._mining(tasks),
            "training": self._training(),
            "scores": self._scores(),
            "metrics": METRICS,
        }

    def _sample(self) -> bool:
        return [s.kind for s in self.dataset.manifest.sources] == ["sample"]

    def _title(self) -> str:
        """Name the corpus; a sample must not be introduced as the whole, nor with the whole's figures."""
        recipe = self.dataset.manifest.recipe
        title = str(recipe.get("title") or recipe.get("name") or "dataset")
        return f"Sample in the layout of {title}" if self._sample() else title

    def _scene(self, scene: facts.SceneFacts) -> dict[str, Any]:
        marks = [Mark(box, "region", ring) for box, _, ring in scene.regions]
        label = f"{scene.key}: {len(marks)} regions"
        return {"facts": scene, "picture": self.pictures.show(scene.image, label, marks)}

    def _cards(self, task: str) -> list[dict[str, Any]]:
        chosen = facts.examples(self.dataset, self.con, task, self.config.examples, self.config.seed)
        return [
            {
                "facts": e,
                "query": self.item(e.segments[e.query], "query"),
                "positives": [self.item(e.segments[p], "positive") for p in e.positives],
            }
            for e in chosen
        ]

    def item(self, segments: Segments, role: str) -> list[tuple[str, Any]]:
        """Return what an item shows, as (kind, value): picture (with the boxes that speak of it), text, coordinate."""
        out: list[tuple[str, Any]] = []
        for n, s in enumerate(segments):
            if s.kind == "image":
                assert s.image is not None
                boxes = []
                for after in segments[n + 1 :]:
                    if after.kind == "image":
                        break
                    if after.box is not None:
                        boxes.append(after.box)
                marks = [Mark(b, role, facts.polygon_of(self.con, s.image, b)) for b in boxes]
                where = "; ".join("box " + ", ".join(f"{v:g}" for v in b) for b in boxes)
                label = f"{role} image, {where}" if where else f"{role} image"
                out.append(("picture", self.pictures.show(s.image, label, marks)))
            elif s.kind == "text":
                out.append(("text", s.text or ""))
            elif s.kind == "coordinate":
                assert s.lat is not None
                assert s.lon is not None
                out.append(("coordinate", degrees(s.lat, "N", "S") + ", " + degrees(s.lon, "E", "W")))
        return out

    def _say_absent(self, sentence: str) -> dict[str, Any]:
        self.absent.append(sentence)
        return {"absent": sentence}

    def _mining(self, tasks: list[facts.TaskFacts]) -> dict[str, Any]:
        found = runs.mining_run(self.con, self.config.dataset, self.config.run)
        if isinstance(found, str):
            return self._say_absent(found)
        groups = []
        for task in tasks:
            cards = self._mined_cards(task.name, found.view)
            if cards:
                groups.append({"task": task, "cards": cards})
        histograms = []
        for name, positives, negatives, ends in runs.score_histograms(self.con):
            label = f"{name}: scores of positives and negatives from {ends[0]:.2f} to {ends[1]:.2f}"
            histograms.append((name, charts.histogram(positives, negatives, ends, label=label)))
        return {
            "name": found.name,
            "encoder": runs.encoder_name(found.summary),
            "scores_are": found.summary.get("scores_are", "cosine similarity to the query"),
            "drops": runs.drop_counts(found.summary),
            "counts": runs.mined_counts(self.con),
            "histograms": histograms,
            "groups": groups,
        }

    def _mined_cards(self, task: str, view: str) -> list[dict[str, Any]]:
        count = max(1, self.config.examples // 2)
        chosen = facts.examples(self.dataset, self.con, task, count, self.config.seed, among=view)
        mined = {e.id: runs.negatives_of(self.con, e.id) for e in chosen}
        facts.fill(self.con, chosen, {name: [n.item for n in found[1]] for name, found in mined.items()})
        cards = []
        for e in chosen:
            positive_score, negatives, total = mined[e.id]
            cards.append(
                {
                    "facts": e,
                    "query": self.item(e.segments[e.query], "query"),
                    "positive": self.item(e.segments[e.positives[0]], "positive"),
                    "positive_score": positive_score,
                    "negatives": [(n, self.item(e.segments[n.item], "negative")) for n in negatives],
                    "more": total - len(negatives),
                }
            )
        return cards

    def _training(self) -> dict[str, Any]:
        if self.config.model is None:
            return self._say_absent(
                "No model was given (model=<folder of a geovec-train run>): no loss curve is shown."
            )
        found = runs.lineage(self.config.model)
        if not found:
            return self._say_absent(f"{self.config.model.name} has no log.jsonl: no loss curve is shown.")
        ends = runs.finite([v for t in found for v in t.losses])
        return {
            "runs": [
                {"run": t, "chart": charts.curve(t.steps, t.losses, label=f"loss of {t.name}", y_range=ends)}
                for t in found
            ]
        }

    def _scores(self) -> dict[str, Any]:
        file = runs.scores_file(self.config.model, self.config.dataset, self.config.scores)
        if file is None:
            return self._say_absent("No model was given: no scores are shown.")
        scores = runs.read_json(file)
        if scores is None:
            return self._say_absent(
                f"{file.parents[2].name} has not been scored on this dataset (geovec-eval dataset=… model=…)."
            )
        rows = []
        for row in scores.get("tasks", []):
            cells = [
                (m, charts.strip(m["value"], m["low"], m["high"], m["chance"], label=f"{row['task']} {name}"))
                for name in METRICS
                if (m := row.get("metrics", {}).get(name))
            ]
            rows.append({"row": row, "pool": runs.pool_words(row), "cells": cells})
        above = set(self.dataset.manifest.notes)  # the page's head says these already
        remarks = [n for n in scores.get("notes", []) if n not in above]
        if scores.get("dataset_fingerprint") not in (None, self.dataset.manifest.fingerprint):
            remarks.insert(0, "These scores are of another build of this dataset; run geovec-eval again.")
        return {"scores": scores, "rows": rows, "remarks": remarks}


def degrees(value: float, positive: str, negative: str) -> str:
    """Write a coordinate with its hemisphere, to five decimals (about a metre)."""
    return f"{abs(value):.5f}° {positive if value >= 0 else negative}"
