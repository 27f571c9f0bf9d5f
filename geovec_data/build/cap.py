"""At most N entries of a corpus: those whose origin and key have the smallest seeded hashes.

Decided from the listing alone, corpus by corpus: no other corpus and no other's cap moves the choice, a larger cap
only adds, and corpora that share images under one origin name take the same ones. Entries of one origin (the tiles
of one picture) come together, so that a cap takes few pictures whole rather than a little of each.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from geovec_data.ids import digest
from geovec_data.origins import OriginRule, origin_of_path
from geovec_data.readers.base import Entry


def capped(
    entries: Iterable[Entry], cap: int | None, seed: int, corpus: str, origins: tuple[OriginRule, ...]
) -> tuple[list[Entry], int]:
    """Take at most `cap` entries.

    Returns:
        The entries taken, and how many there were.
    """
    listed = list(entries)
    if cap is None or len(listed) <= cap:
        return listed, len(listed)

    def rank(entry: Entry) -> tuple[str, str, str]:
        origin = origin_of_path(corpus, entry.key, origins)
        return digest("cap", str(seed), origin), digest("cap", str(seed), entry.key), entry.key

    return heapq.nsmallest(cap, listed, key=rank), len(listed)
