"""The items of a dataset as columns of small integers, and ragged lists of such numbers.

Items are numbered by their row in the table of items, so "item order" is the dataset's own order. Everything that
the policy compares (text, image, box) is a column of numbers here; strings come back only when rows are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geovec_data.dataset import Dataset
from geovec_data.errors import DataFault

Ints = NDArray[np.int64]
Numbers = NDArray[np.int32]
Bools = NDArray[np.bool_]
NONE = -1  # no image, no text


@dataclass(frozen=True, slots=True)
class Lists:
    """Ragged lists of integers: list `r` is ``values[starts[r] : starts[r + 1]]``."""

    starts: Ints
    values: Ints

    @staticmethod
    def of(rows: Ints, values: Ints, count: int) -> Lists:
        """Group values by row, each distinct pair once, ascending within a row."""
        order = np.lexsort((values, rows))
        rows, values = rows[order], values[order]
        if len(rows):
            first = np.concatenate([[True], (rows[1:] != rows[:-1]) | (values[1:] != values[:-1])])
            rows, values = rows[first], values[first]
        return Lists(np.searchsorted(rows, np.arange(count + 1)), values)

    def take(self, index: Ints) -> tuple[Ints, Ints]:
        """Return the lists at `index`, flat: for each value its position in `index`, and the value."""
        begin, end = self.starts[index], self.starts[index + 1]
        return spread(end - begin), self.values[ranges(begin, end)]

    def first(self, most: int) -> Lists:
        """Cut every list to its first values."""
        begin = self.starts[:-1]
        end = np.minimum(self.starts[1:], begin + most)
        return Lists(np.concatenate([[0], np.cumsum(end - begin)]), self.values[ranges(begin, end)])


def spread(counts: Ints) -> Ints:
    """Repeat 0, 1, 2, … by counts: the row of each element of a ragged list."""
    return np.repeat(np.arange(len(counts)), counts)


def ranges(begin: Ints, end: Ints) -> Ints:
    """Concatenate ``arange(begin[i], end[i])``."""
    counts = end - begin
    offset = np.repeat(begin - (np.cumsum(counts) - counts), counts)
    out: Ints = np.arange(int(counts.sum())) + offset
    return out


class Items:
    """The columns of all items of a dataset.

    Args:
        dataset: where they are.

    Attributes:
        ids: item ids, in the dataset's order.
        region_ids: ids of the regions that they show, or null.
        image_ids: image ids, in the order of their numbers.
        image: number of the first image, or -1, shape (items,).
        text: number of the normalised text, or -1, shape (items,).
        modality: number into `modalities`, shape (items,).
        modalities: their names.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        table = dataset.read("items", ["id", "modality", "image", "region", "text_key"]).combine_chunks()
        self.ids: pa.StringArray = one(table["id"])
        self.region_ids: pa.StringArray = one(table["region"])
        self.image_ids, self.image = codes(table["image"])
        _, self.text = codes(table["text_key"])
        names, self.modality = codes(table["modality"])
        self.modalities: list[str] = names.to_pylist()

    def having(self, kind: str) -> Bools:
        """Tell which items have a segment of a kind (text, image, box, coordinate)."""
        names = np.array([kind in m.split("+") for m in self.modalities], np.bool_)
        out: Bools = names[self.modality]
        return out

    @cached_property
    def boxed(self) -> Bools:
        """Whether each item has a box."""
        return self.having("box")

    @cached_property
    def placed(self) -> Bools:
        """Whether each item has a coordinate."""
        return self.having("coordinate")

    def images(self, ids: pa.ChunkedArray) -> Numbers:
        """Return the numbers of image ids; -1 for an image that no item shows."""
        return filled(pc.index_in(ids, value_set=self.image_ids))

    def numbers(self, ids: pa.ChunkedArray, what: str) -> Ints:
        """Return the item numbers of ids.

        Raises:
            DataFault: when an id is no item's.
        """
        found = pc.index_in(ids, value_set=self.ids)
        if found.null_count:
            lost = ids.filter(pc.is_null(found))[0]
            raise DataFault(f"{self._dataset.path}: {what} names item {lost}, which the dataset lacks; run verify")
        return filled(found).astype(np.int64)

    @cached_property
    def twins(self) -> Ints:
        """A number that items of equal words and pixels share (captions that differ in case or punctuation)."""
        own = np.arange(len(self.ids), dtype=np.int64)
        plain = np.isin(self.modality, [n for n, m in enumerate(self.modalities) if m == "text"])
        shown = np.isin(self.modality, [n for n, m in enumerate(self.modalities) if m == "image+text"])
        pair = (self.image.astype(np.int64) + 1) * (int(self.text.max(initial=NONE)) + 2) + self.text + 1
        out = own.copy()
        for which, value in ((plain, self.text.astype(np.int64)), (shown, pair)):
            chosen = np.flatnonzero(which & (self.text != NONE))
            _, first, inverse = np.unique(value[chosen], return_index=True, return_inverse=True)
            out[chosen] = chosen[first][inverse]
        return out

    @cached_property
    def box(self) -> NDArray[np.float64]:
        """The box of each item, float pixels x0, y0, x1, y1, shape (items, 4); NaN where there is none."""
        out = np.full((len(self.ids), 4), np.nan)
        for rows, segments in self._segments():
            boxes = segments.field("box")
            there = np.asarray(pc.is_valid(boxes))
            for n, side in enumerate(("x0", "y0", "x1", "y1")):
                out[rows[there], n] = np.asarray(boxes.field(side))[there]
        return out

    @cached_property
    def coordinate(self) -> NDArray[np.float64]:
        """Longitude and latitude that each item states, degrees, shape (items, 2); NaN where there is none."""
        out = np.full((len(self.ids), 2), np.nan)
        for rows, segments in self._segments():
            there = np.asarray(pc.is_valid(segments.field("lon")))
            for n, axis in enumerate(("lon", "lat")):
                out[rows[there], n] = np.asarray(pc.fill_null(segments.field(axis), np.nan))[there]
        return out

    @cached_property
    def texts(self) -> list[str]:
        """The words of each number in `text`: of the first item that has them."""
        out = [""] * (int(self.text.max(initial=NONE)) + 1)
        for rows, segments in self._segments():
            said = segments.field("text")
            for row, words in zip(rows[np.asarray(pc.is_valid(said))], said.drop_null().to_pylist(), strict=True):
                out[self.text[row]] = out[self.text[row]] or words
        return out

    def _segments(self) -> Iterator[tuple[Ints, pa.StructArray]]:
        """Yield the segments of all items in pieces, with the number of the item of each."""
        start = 0
        for batch in self._dataset.scan("items", ["segments"]):
            column = batch.column(0)
            yield np.asarray(pc.list_parent_indices(column)).astype(np.int64) + start, pc.list_flatten(column)
            start += len(batch)


def one(column: pa.ChunkedArray) -> pa.StringArray:
    """Return a column in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def codes(column: pa.ChunkedArray) -> tuple[pa.Array, Numbers]:
    """Return the distinct values of a column and the number of each row's; -1 for null."""
    encoded = one(column).dictionary_encode()
    return encoded.dictionary, filled(encoded.indices)


def filled(indices: pa.Array) -> Numbers:
    """Return indices as an array; -1 for null."""
    one = indices.combine_chunks() if isinstance(indices, pa.ChunkedArray) else indices
    out: Numbers = np.asarray(pc.fill_null(one, NONE)).astype(np.int32)
    return out
