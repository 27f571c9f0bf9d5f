"""``stats``: what a dataset holds, from its catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from geovec_data.dataset import Dataset
from geovec_data.leaks.words import leak_words
from geovec_data.store.by_corpus import HEAD, by_corpus
from geovec_data.store.catalog import ensure_catalog

SPLIT_COLUMNS = ("train", "val", "test", "unused")


class StatsConfig(BaseModel):
    """Options of `geovec-data stats`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dataset: Path = Field(description="dataset directory")


def run(config: StatsConfig) -> dict[str, Any]:
    """Count what is in a dataset."""
    dataset = Dataset(config.dataset)
    ensure_catalog(dataset)
    counts = dataset.manifest.counts
    rows = counts["rows"]
    human = [
        f"{config.dataset}: {rows['images']:,} images, {rows['regions']:,} regions, {rows['items']:,} items,"
        f" {rows['examples']:,} examples, {sum(counts['rejects'].values()):,} refused",
        "",
    ]
    table: list[tuple[str, ...]] = [("task", *SPLIT_COLUMNS)]
    for task in dataset.manifest.tasks:
        by = counts["tasks"].get(task, {})
        table.append((task, *(f"{by.get(s, 0):,}" for s in SPLIT_COLUMNS)))
    images = counts["images_by_split"]
    table.append(("images", *(f"{images.get(s, 0):,}" for s in SPLIT_COLUMNS)))
    human += align(table)
    if len(dataset.manifest.sources) > 1:
        human += ["", *align([HEAD, *(row.cells() for row in by_corpus(dataset.manifest))])]
        human.append("(train, val, test, unused: images)")
    for title, key in (("regions by category", "regions_by_category"), ("refused, by reason", "rejects")):
        if counts[key]:
            human += ["", f"{title}:"] + [f"  {k:<28} {v:>10,}" for k, v in counts[key].items()]
    human += ["", "on both sides of a split:"]
    human += [f"  {leak_words(rule, found)}" for rule, found in dataset.manifest.leaks.items()]
    human += [f"note: {n}" for n in dataset.manifest.notes]
    return {"command": "stats", "counts": counts, "leaks": dataset.manifest.leaks, "human": human}


def align(table: list[tuple[str, ...]]) -> list[str]:
    """Lay rows out in columns: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
