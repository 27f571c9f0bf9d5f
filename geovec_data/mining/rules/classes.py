"""The rule of classes: the one that reads labels."""

from __future__ import annotations

from geovec_data.mining.block import Block
from geovec_data.mining.items import Bools


def same_class(block: Block) -> Bools:
    """Shows, describes or names the class of the query or a positive, a synonym, or a broader or narrower one.

    Of an image the class is its scene's, or all its labels together; of a box its category; of a text those of what
    it is linked with. Tasks where the class makes nothing right are not asked: questions and compositions (their
    positives are all known), and those that a place decides (another airport is no answer to "where is this?").
    """
    truth = block.truth
    if truth.plan.meta_task in ("vqa", "compositional") or truth.place_decides:
        return block.nothing
    candidate, code = truth.item_classes.take(block.candidates.item)
    return block.touched(candidate, block.among(truth.classes, code, block.candidates.row[candidate]))
