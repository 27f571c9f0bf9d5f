"""By place: all images of a region or city are in one split, chosen by the hash of its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from geovec_data.ids import normalise_text
from geovec_data.splits.options import SplitOptions
from geovec_data.splits.placed import UNUSED, Placed
from geovec_data.splits.shares import pick


class ByPlace:
    """Assigns images by the hash of their place's name; case and punctuation do not count.

    Args:
        options: shares and seed; its `place_level` names what `Placed.place` holds.
    """

    def __init__(self, options: SplitOptions) -> None:
        self._options = options

    def assign(self, image: Placed) -> tuple[str, str]:
        """Return split and reason. An image without a place could lie in any, so it is left unused."""
        name = normalise_text(image.place or "")
        if not name:
            return UNUSED, f"no {self._options.place_level}"
        return pick(self._options, self._options.place_level, name), f"hash of {self._options.place_level}"


def levels_found(found: Iterable[tuple[str, int]]) -> str:
    """Word the levels and attributes that images have, for a person to choose: name and number of images."""
    counts = Counter(dict(found))
    return ", ".join(f"{level} ({n:,} images)" for level, n in sorted(counts.items())) or "none"
