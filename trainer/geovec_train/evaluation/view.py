"""A dataset as an encoder is to see it for once: with other pictures or other items than it has."""

from __future__ import annotations

from typing import Protocol

from geovec_data.dataset import Dataset, ImageStore, ItemStore


class View(Protocol):
    """What is changed of a dataset before it is shown."""

    @property
    def name(self) -> str:
        """Tell the view from others: vectors of one are no vectors of another."""
        ...

    def of(self, dataset: Dataset) -> Dataset:
        """Return the dataset as it is to be shown."""
        ...


def seen(dataset: Dataset, *, images: ImageStore | None = None, items: ItemStore | None = None) -> Dataset:
    """Return a dataset with other images or items."""
    shown = Dataset.__new__(Dataset)  # nothing is read again
    shown.path, shown.manifest = dataset.path, dataset.manifest
    shown.images = images or dataset.images
    shown.items = items or dataset.items
    return shown
