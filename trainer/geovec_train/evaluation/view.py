"""A dataset as an encoder is to see it for once: with other pictures or other items than it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from geovec_data.dataset import Dataset, ImageStore, ItemStore


@dataclass(frozen=True, slots=True)
class View:
    """What is changed of a dataset before it is shown.

    Attributes:
        name: tells the view from others: vectors of one are no vectors of another.
        images: gives the pictures that are shown instead of the dataset's; None: those.
        items: gives the items that are shown instead; None: the dataset's.
    """

    name: str
    images: Callable[[ImageStore], ImageStore] | None = None
    items: Callable[[ItemStore], ItemStore] | None = None

    def of(self, dataset: Dataset) -> Dataset:
        """Return the dataset as it is to be shown."""
        shown = Dataset.__new__(Dataset)  # nothing is read again
        shown.path, shown.manifest = dataset.path, dataset.manifest
        shown.images = self.images(dataset.images) if self.images else dataset.images
        shown.items = self.items(dataset.items) if self.items else dataset.items
        return shown
