"""Near-duplicate images, for the leak gate and for deduplication: `pairs.near_pairs` over thumbnails of 32 × 32 pixels.

The thresholds stand here by themselves: options name them, and reading options must not load numpy.
"""

MAX_BITS = 14
"""Bits of 63 in which a hash may differ from a window's to be looked at closer."""
MIN_SCORE = 0.9
"""Concordance of the registered thumbnails from which two images are near-duplicates."""
MIN_CONTRAST = 1.0
"""Standard deviation of a thumbnail, in grey levels, below which an image is too flat to be told from another."""
