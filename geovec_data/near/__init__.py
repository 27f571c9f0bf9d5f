"""Near-duplicate images, for the leak gate and for deduplication: `near_pairs` over thumbnails of 32 × 32 pixels."""

from geovec_data.near.pairs import MAX_BITS, MIN_CONTRAST, MIN_SCORE, NearPairs, near_pairs
from geovec_data.near.search import LEFT, RIGHT
from geovec_data.phash import SIDE, thumbnail

__all__ = ["LEFT", "MAX_BITS", "MIN_CONTRAST", "MIN_SCORE", "RIGHT", "SIDE", "NearPairs", "near_pairs", "thumbnail"]
