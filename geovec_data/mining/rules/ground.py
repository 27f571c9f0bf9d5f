"""Rules of place: the candidate shows, describes or names ground that the query or a positive shows."""

from __future__ import annotations

import numpy as np

from geovec_data.geometry.geo import EARTH_RADIUS_M, distance_m
from geovec_data.mining.block import Block
from geovec_data.mining.items import NONE, Bools
from geovec_data.mining.rules.regions import overlap

MIN_OVERLAP = 0.01  # of the smaller: tiles that meet at an edge do not overlap


def overlapping_ground(block: Block) -> Bools:
    """Its image's ground overlaps that of another image of the query or positives.

    Rectangles around the footprints, or where neither lies on the map, windows of one parent image.
    """
    facts = block.truth.facts
    if not facts.on_ground:
        return block.nothing
    candidate, one, other = block.images()
    on_map, _, _ = shared = overlap(facts.bounds[one], facts.bounds[other])
    hit = on_map > MIN_OVERLAP * shared[1]
    related = np.flatnonzero(facts.parent[one] == facts.parent[other])
    parent, _, _ = shared = overlap(facts.window[one[related]], facts.window[other[related]])
    hit[related] |= parent > MIN_OVERLAP * shared[1]
    return block.touched(candidate, hit)


def near_place(block: Block) -> Bools:
    """Lies within `policy.near_factor` times the half diagonals of both chips, or `policy.near_metres`.

    With factor 1 these are circles through the chips' corners: nearer than that they can share ground. Great-circle
    distance between the centres; a coordinate is a chip of no size.
    """
    facts, items = block.truth.facts, block.truth.items
    if not facts.placed:
        return block.nothing
    candidate, left, right = block.faces()
    one, other = items.image[left], items.image[right]
    apart = (one != other) | (one == NONE)
    candidate, left, right = candidate[apart], left[apart], right[apart]
    known = ~np.isnan(facts.place[left, 0] + facts.place[right, 0])
    candidate, left, right = candidate[known], left[known], right[known]
    reach = np.append(facts.reach, 0.0)  # of -1, no image
    radius = block.config.near_factor * (reach[items.image[left]] + reach[items.image[right]])
    limit = np.maximum(radius, block.config.near_metres)
    a, b = facts.place[left], facts.place[right]
    # no way is shorter than that between their parallels, which spares most pairs the trigonometry
    possible = np.flatnonzero(np.radians(np.abs(a[:, 1] - b[:, 1])) * EARTH_RADIUS_M <= limit * (1 + 1e-9) + 1e-3)
    near = distance_m(*a[possible].T, *b[possible].T) <= limit[possible]
    return block.touched(candidate[possible], near)
