"""A dataset's counts, one row a corpus: the same for the card, `stats` and the report."""

from __future__ import annotations

from dataclasses import dataclass

from geovec_data.store.manifest import Manifest

SPLITS = ("train", "val", "test", "unused")


@dataclass(frozen=True, slots=True)
class CorpusRow:
    """What a dataset holds of one corpus.

    Attributes:
        corpus: its name.
        images: kept of it; a copy of another corpus's image counts there.
        by_split: split → images.
        regions: in these images.
        examples: made of it.
        refused: rows, of scenes, regions and texts.
        weight: how often training draws an example, against other corpora's.
        cap: the most entries that were taken, or None.
    """

    corpus: str
    images: int
    by_split: dict[str, int]
    regions: int
    examples: int
    refused: int
    weight: float
    cap: int | None

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, in the order of `HEAD`."""
        images = (f"{self.by_split.get(s, 0):,}" for s in SPLITS)
        numbers = (f"{n:,}" for n in (self.images, self.regions, self.examples, self.refused))
        return (self.corpus, *numbers, *images, f"{self.weight:g}", "–" if self.cap is None else f"{self.cap:,}")


HEAD = ("corpus", "images", "regions", "examples", "refused", *SPLITS, "weight", "cap")


def by_corpus(manifest: Manifest) -> list[CorpusRow]:
    """Return the rows of a dataset's corpora, in the order of its sources."""
    rows = []
    for s in manifest.sources:
        counts = manifest.counts.get("corpora", {}).get(s.corpus, {})
        refused = sum(n for by in counts.get("rejects_by_level", {}).values() for n in by.values())
        rows.append(
            CorpusRow(
                s.corpus,
                counts.get("images", s.images),
                counts.get("images_by_split", {}),
                counts.get("regions", 0),
                counts.get("examples", 0),
                refused,
                s.weight,
                s.cap,
            )
        )
    return rows
