"""What ``verify`` asks of the listing: every held-out image that leaks by a key must be in it."""

from __future__ import annotations

from geovec_data.leaks.found import SIDES
from geovec_data.leaks.keyed import CAPTIONS

_CROSSING = (
    "SELECT DISTINCT h.image FROM side h JOIN side t ON {on} AND t.split = 'train' AND h.split <> 'train'"
    " WHERE h.image NOT IN (SELECT held_out FROM leaks WHERE rule = '{rule}')"
)
_DIVIDED = "SELECT image FROM image_splits WHERE reason = 'hash of block'"

# what is wrong → SQL that lists the offenders' ids
UNLISTED: dict[str, str] = {
    "image on both sides of the split is not in leaks": (
        f"WITH side AS ({SIDES}) " + _CROSSING.format(on="h.image = t.image", rule="image")
    ),
    "image with an origin on both sides of the split is not in leaks": (
        f"WITH side AS (SELECT s.*, i.origin FROM ({SIDES}) s JOIN images i ON i.id = s.image"
        f" WHERE s.image NOT IN ({_DIVIDED})) "
        + _CROSSING.format(on="h.origin = t.origin AND h.image <> t.image", rule="lineage")
    ),
    "image with a caption on both sides of the split is not in leaks": (
        f"WITH side AS (SELECT image, split, key FROM ({CAPTIONS}) WHERE split <> 'unused') "
        + _CROSSING.format(on="h.key = t.key", rule="caption")
    ),
}
