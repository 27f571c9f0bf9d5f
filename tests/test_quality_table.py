"""The intervals of the quality table: what is certain has no width, and seeds that disagree widen it."""

from __future__ import annotations

import numpy as np

from benchmarks.quality.table import interval

QUERIES = np.array([4.0, 1.0, 5.0, 2.0])


def test_a_difference_that_is_the_same_in_every_image_and_seed_has_no_width() -> None:
    low, high = interval([0.25 * QUERIES, 0.25 * QUERIES], QUERIES)
    np.testing.assert_allclose([low, high], 0.25)


def test_images_that_disagree_widen_it() -> None:
    low, high = interval([np.array([4.0, -1.0, 5.0, -2.0])], QUERIES)
    assert low < 0 < high


def test_seeds_that_disagree_widen_it_though_images_agree() -> None:
    low, high = interval([0.5 * QUERIES, -0.5 * QUERIES, 0.5 * QUERIES], QUERIES)
    np.testing.assert_allclose([low, high], [-0.5, 0.5])
