"""Which split an image belongs to: a pure function of the image and the options, whatever else is in the corpus.

So no order of input matters, and adding images never moves old ones.

- ``image``: by hash of the origin (the published image it is or was cut from, alike in all corpora), so that no image
  and no two chips of one image stand in two splits, and corpora that share images agree.
- ``stratified``: by the origin's number in its series (``airport_17``), so that every class whose files are numbered
  one after the other (class folders, as nearly all are published) has the wanted shares to within two or three
  images. Taking the next image of a class by turns would be exact, but a new image would then move the others; the
  number in the name is the image's own. Measured at 80/10/10 over ten seeds, the most that any class is off in any
  split, as plain hashing → this: 45 classes of 700, 34 → 2 images; 21 of 100, 14 → 2. Where numbers run through
  mixed classes, or names have none, it is as even as plain hashing (11 → 13 of 100). Neighbours in a series fall into
  different splits: where they show the same ground, take ``blocks`` or ``place``.
- ``official``: the corpus's own split; where it splits by object, one image can stand in several (that is reported).
- ``blocks``: square blocks of ground (or of the parent's pixels, where nothing is georeferenced) are hashed to a
  split, and what lies between splits is left unused (see `geovec_data.splits.blocks`).
- ``place``: all images of one place (`place_level`: a level of the scene's places, or a scene attribute) are in one
  split, by the hash of its name.
- ``time``: cut at stated dates. Shares of the images would move with every image that is added.

An image that a rule cannot place (no official split, no such place, no capture time) is ``unused``, and so are, under
``place`` and ``time``, all images of an origin that falls into two splits; each says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from geovec_data.splits.blocks import by_block
from geovec_data.splits.by_place import ByPlace
from geovec_data.splits.by_time import ByTime
from geovec_data.splits.options import SplitOptions
from geovec_data.splits.placed import UNUSED, Assignment, Placed
from geovec_data.splits.shares import pick, pick_numbered

__all__ = ["UNUSED", "Assignment", "Placed", "assign", "pick"]


def assign(images: Iterable[Placed], options: SplitOptions) -> Iterator[Assignment]:
    """Assign every image to a split; an official split by object can name several for one image.

    Raises:
        UserError: when the options of ``place`` or ``time`` do not say what to split by.
    """
    match options.method:
        case "image":
            yield from ((p.image, pick(options, p.origin), "hash of origin") for p in images)
        case "stratified":
            yield from ((p.image, pick_numbered(options, p.origin), "number of origin") for p in images)
        case "official":
            yield from _official(images)
        case "blocks":
            yield from by_block(images, options)
        case "place":
            yield from _whole_origins(images, ByPlace(options).assign)
        case "time":
            yield from _whole_origins(images, ByTime(options).assign)


def _official(images: Iterable[Placed]) -> Iterator[Assignment]:
    for p in images:
        own = sorted(set(p.objects) or ({p.official} if p.official else set()))
        if own:
            yield from ((p.image, s, "official") for s in own)
        else:
            yield p.image, UNUSED, "no official split"


def _whole_origins(images: Iterable[Placed], rule: Callable[[Placed], tuple[str, str]]) -> Iterator[Assignment]:
    """Assign by a rule; leave out the images of an origin that it puts into two splits."""
    assigned = [(p.image, p.origin, *rule(p)) for p in images]
    of_origin: dict[str, str] = {}
    torn: set[str] = set()
    for _, origin, split, _ in assigned:
        if split != UNUSED and of_origin.setdefault(origin, split) != split:
            torn.add(origin)
    for image, origin, split, reason in assigned:
        if origin in torn and split != UNUSED:
            yield image, UNUSED, "its origin falls into two splits"
        else:
            yield image, split, reason
