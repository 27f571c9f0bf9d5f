"""What an item shows, as numbers: the class, the box, the place. A text has what it is the caption of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geovec_data.dataset import Dataset
from geovec_data.geometry.geo import distance_m
from geovec_data.mining.facts import Facts
from geovec_data.mining.items import Items
from geovec_train.batches.ragged import Ints

Reals = NDArray[np.float64]
Matrix = NDArray[np.bool_]
NONE = -1


@dataclass(frozen=True, slots=True)
class ItemKeys:
    """Columns by item; a text that belongs to one image, box or coordinate alone has its columns.

    Attributes:
        klass: (items,) number of the class shown, -1 where it is unknown.
        image: (items,) number of the image shown, -1 for none.
        box: (items, 4) float pixels x0, y0, x1, y1; NaN where there is none.
        place: (items, 2) longitude and latitude, degrees; NaN where it is unknown.
        reach: (items,) half the diagonal of the image on the ground, metres; 0 where it is unknown.
    """

    klass: Ints
    image: Ints
    box: Reals
    place: Reals
    reach: Reals

    def same_class(self, a: Ints, b: Ints) -> Matrix:
        """Tell which items of `a` (rows) and `b` (columns) show one class."""
        out: Matrix = (self.klass[a][:, None] == self.klass[b][None, :]) & (self.klass[a] != NONE)[:, None]
        return out

    def overlapping(self, a: Ints, b: Ints, bound: float) -> Matrix:
        """Tell which have boxes on one image with an IoU of `bound` or more."""
        out: Matrix = (self.image[a][:, None] == self.image[b][None, :]) & (self.image[a] != NONE)[:, None]
        i, j = np.nonzero(out)
        one, other = self.box[a[i]], self.box[b[j]]
        with np.errstate(invalid="ignore"):
            common = _area(np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:]))
            union = _area(one[:, :2], one[:, 2:]) + _area(other[:, :2], other[:, 2:]) - common
            out[i, j] = common >= bound * union  # NaN, which stands for no box, compares as false
        return out

    def near(self, a: Ints, b: Ints, factor: float, metres: float) -> Matrix:
        """Tell which lie within `factor` times the reach of both together, or `metres`; an image is not near itself."""
        apart = (self.image[a][:, None] != self.image[b][None, :]) | (self.image[a] == NONE)[:, None]
        known = np.isfinite(self.place[a, 0])[:, None] & np.isfinite(self.place[b, 0])[None, :]
        out: Matrix = apart & known
        i, j = np.nonzero(out)
        away = distance_m(*self.place[a[i]].T, *self.place[b[j]].T)
        out[i, j] = away <= np.maximum(factor * (self.reach[a[i]] + self.reach[b[j]]), metres)
        return out


def _area(low: Reals, high: Reals) -> Reals:
    sides = np.clip(high - low, 0.0, None)
    out: Reals = sides[..., 0] * sides[..., 1]
    return out


def item_keys(dataset: Dataset, names: list[str], image: Ints, a: Ints, b: Ints) -> ItemKeys:
    """Read the keys of some items.

    Args:
        dataset: the dataset.
        names: item ids; their positions are the numbers of the items.
        image: (items,) number of the image that each shows, -1 for none.
        a: numbers of items, one of each known pair.
        b: the other of each pair.
    """
    items = Items(dataset)
    facts = Facts(dataset, items)
    row = items.numbers(pa.chunked_array([pa.array(names, pa.string())]), "the train split")
    place = facts.place[row]
    reach = np.append(facts.reach, 0.0)[items.image[row]]  # -1, no image: the 0 at the end
    keys = ItemKeys(facts.item_class[row].astype(np.int64), image, items.box[row], place, reach)
    shows = (image != NONE) | np.isfinite(place[:, 0])
    text, shown = np.concatenate([a, b]), np.concatenate([b, a])
    told = ~shows[text] & shows[shown]
    return _told(keys, text[told], shown[told])


def _told(keys: ItemKeys, text: Ints, shown: Ints) -> ItemKeys:
    """Give texts the keys of what they are known to tell of: all of one thing's, or the class that all have."""
    pairs = np.unique(np.stack([text, shown], axis=1), axis=0)
    text, shown = pairs[:, 0], pairs[:, 1]
    first = np.flatnonzero(np.diff(text, prepend=NONE))
    count = np.diff(first, append=len(text))
    klass = keys.klass.copy()
    if len(first):
        low, high = (f.reduceat(keys.klass[shown], first) for f in (np.minimum, np.maximum))
        klass[text[first]] = np.where(low == high, low, NONE)
    alone = first[count == 1]
    image, box, place, reach = keys.image.copy(), keys.box.copy(), keys.place.copy(), keys.reach.copy()
    for column in (image, box, place, reach):
        column[text[alone]] = column[shown[alone]]
    return ItemKeys(klass, image, box, place, reach)
