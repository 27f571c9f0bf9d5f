"""Rules of identity: the candidate is a positive, says the same, or shows the same image, object or picture."""

from __future__ import annotations

import numpy as np

from geovec_data.mining.block import Block
from geovec_data.mining.items import NONE, Bools


def known_positive(block: Block) -> Bools:
    """Right for this query in any example of the split, through duplicates of query and candidate; or the query."""
    items, candidates = block.truth.items, block.candidates
    right = block.among(block.truth.positives, items.twins[candidates.item])
    out: Bools = right | (items.twins[candidates.item] == items.twins[block.query[candidates.row]])
    return out


def duplicate_caption(block: Block) -> Bools:
    """Says the same as a positive or as the query, but for case, punctuation and blanks."""
    return block.among(block.truth.texts, block.truth.items.text[block.candidates.item].astype(np.int64))


def same_image(block: Block) -> Bools:
    """Shows a positive's image or the query's; where boxes are at issue, `region_overlap` and `other_box` decide."""
    if block.truth.boxed:
        return block.nothing
    return block.among(block.truth.images, block.truth.items.image[block.candidates.item].astype(np.int64))


def same_osm(block: Block) -> Bools:
    """Shows (or describes) the OSM object of the query or a positive, seen in whatever image."""
    osm = block.truth.facts.osm
    if not (osm != NONE).any():
        return block.nothing
    candidate, left, right = block.faces()
    return block.touched(candidate, (osm[left] == osm[right]) & (osm[left] != NONE))


def near_image(block: Block) -> Bools:
    """Shows, or describes, a near-duplicate of the query's or a positive's image, by perceptual hash.

    Copies that were encoded anew or resized differ in 6 bits of 64 at most, different photographs in 31
    (`geovec_data.phash`). Images too flat for a hash are not compared; turned and cropped copies are for
    ``dedup.near`` at build time.
    """
    candidate, one, other = block.images()
    a, b = block.truth.facts.hash[one], block.truth.facts.hash[other]
    near = np.bitwise_count(a ^ b) <= block.config.near_image_bits
    return block.touched(candidate, near & (a != 0) & (b != 0))


def same_origin(block: Block) -> Bools:
    """Shows another cut of the published image that the query's or a positive's was cut from.

    Two windows of one parent in one corpus are compared by `overlapping_ground`; where one of them has no window,
    or another corpus cut it, what they share is unknown.
    """
    facts = block.truth.facts
    if not facts.origins_shared:
        return block.nothing
    candidate, one, other = block.images()
    placed = (facts.parent[one] == facts.parent[other]) & ~np.isnan(facts.window[one, 0] + facts.window[other, 0])
    return block.touched(candidate, (facts.origin[one] == facts.origin[other]) & ~placed)
