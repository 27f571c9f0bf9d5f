"""How far the footprints of a map lie from the buildings in an image, and whether that can be told.

Footprints are drawn as outlines that know their direction, the image as gradients that know theirs, and the two are
correlated over all shifts of a few metres (`correlate`). An estimate counts only when no other shift fits nearly as
well and the footprints agree among themselves (`estimate`); else nothing is moved, unless the images around it agree
(`borrow`).
"""

from geovec_data.align.borrow import MOST, NEAR, borrowed, nearest
from geovec_data.align.estimate import RADIUS, STEP, Estimate, estimate, refused, unfit

__all__ = ["MOST", "NEAR", "RADIUS", "STEP", "Estimate", "borrowed", "estimate", "nearest", "refused", "unfit"]
