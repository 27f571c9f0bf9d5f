"""What a split gave against what was asked: said at once, or a training on a handful of images is the first to tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geovec_data.splits.options import SPLITS, SplitOptions

_FEW = 20  # images; of fewer a hash cannot be expected to meet the shares
_WAYS = {
    "blocks": "smaller blocks or a smaller buffer leave more (split.block, split.buffer)",
    "image": "another split.seed divides the published images otherwise",
    "stratified": "another split.seed divides the published images otherwise",
    "place": "another split.seed or split.place_level divides the places otherwise",
}


def uneven(options: Mapping[str, SplitOptions], counts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Name the corpora whose split is far from what was asked: a split without images, or half of train's share.

    Args:
        options: corpus → its split.
        counts: corpus → its counts, of them ``images`` and ``images_by_split``.
    """
    out = []
    for corpus, asked in sorted(options.items()):
        found = counts.get(corpus, {})
        images, by = found.get("images", 0), found.get("images_by_split", {})
        if images < _FEW or asked.method not in _WAYS:
            continue
        total = asked.train + asked.val + asked.test
        empty = [s for s in SPLITS if getattr(asked, s) > 0 and not by.get(s)]
        if empty or by.get("train", 0) < images * asked.train / total / 2:
            got = ", ".join(f"{s} {by.get(s, 0):,}" for s in (*SPLITS, "unused") if by.get(s) or s in empty)
            shares = ", ".join(f"{s} {getattr(asked, s) / total:.0%}" for s in SPLITS if getattr(asked, s))
            out.append(f"the split of {corpus} is far from {shares}: of {images:,} images {got}; {_WAYS[asked.method]}")
    return out
