"""What every writer of an export is given, and what it gives back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from geovec_data.dataset import Dataset
from geovec_data.export.config import ExportConfig
from geovec_data.export.flat import Flattener
from geovec_data.export.folder import Folder
from geovec_data.export.rows import Examples, Span


@dataclass(slots=True)
class Job:
    """One export.

    Attributes:
        dataset: what is exported.
        config: the options.
        folder: where to.
        examples: the examples with positives and negatives.
        flat: items as one text and one image.
        spans: shards of examples: tasks in name order, splits as asked.
        formats: image id → format name.
        has_negatives: whether a mining run gives negatives.
        advance: to be told how many examples (or images, where there are no examples) are done.
        counts: rows written, by configuration and split; and what was left out, by reason.
    """

    dataset: Dataset
    config: ExportConfig
    folder: Folder
    examples: Examples
    flat: Flattener
    spans: list[Span]
    formats: dict[str, str]
    has_negatives: bool
    advance: Callable[[int], None]
    counts: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


class Writer(Protocol):
    """Writes one format."""

    def __call__(self, job: Job) -> None:
        """Write the export into ``job.folder``."""
