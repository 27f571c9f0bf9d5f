"""Region-level retrieval: the text of a region, and the region of a text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from geovec_data.ids import normalise_text
from geovec_data.records import Box, Draft, Region, Scene, Segment, Segments
from geovec_data.tasks.base import Candidate, Task
from geovec_data.tasks.cross_modal import distinct
from geovec_data.words import with_article


def region_item(scene: Scene, region: Region) -> Segments:
    """The item that shows a region: its image and its box."""
    return _region_item(scene.image_id, region.box)


@lru_cache(maxsize=1024)  # every task of a scene asks for the same items
def _region_item(image_id: str, box: Box) -> Segments:
    return Segment.of_image(image_id), Segment.of_box(box)


def all_regions(scene: Scene) -> Iterator[Candidate]:
    """The items of all regions of a scene: the candidates of a search inside it."""
    return ((region_item(scene, region), None) for region in scene.regions)


def by_expression(scene: Scene) -> Iterator[tuple[str, list[int]]]:
    """Each distinct expression of the scene with the regions that bear it, in order of appearance.

    A corpus can give one expression to two objects; both are then right. Objects of different official splits
    are kept apart, so that none of them answers a question of another split.
    """
    found: dict[tuple[str, str | None], tuple[str, list[int]]] = {}
    for index, region in enumerate(scene.regions):
        for text in distinct(region.expressions):
            found.setdefault((normalise_text(text), region.split), (text, []))[1].append(index)
    yield from found.values()


class RegionToText(Task):
    """[image, box] → [text]; the region's captions, else its expressions, are positives of one example.

    In a scene without any of these the text is the category (``a storage tank``), right for every region of
    that category: `class_key` says so.
    """

    name = "region_to_text"
    meta_task = "region"
    instructions = (
        "Find the text that describes the region in the box.",
        "Retrieve the description of the marked area of this aerial image.",
        "What is inside the given box?",
        "Select the phrase that refers to the boxed object.",
    )
    query_kind = "image+box"
    target_kind = "text"
    needs = "regions, best with captions or expressions (given or synthesised)"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for each region that has a text."""
        unnamed = not any(region.captions or region.expressions for region in scene.regions)
        unnamed &= "region_captions" not in scene.synthetic  # else nothing is to be said of them
        for index, region in enumerate(scene.regions):
            texts = [with_article(region.category)] if unnamed else distinct(region.captions or region.expressions)
            if texts:
                yield Draft(
                    task=self.name,
                    query=region_item(scene, region),
                    positives=tuple((Segment.of_text(t),) for t in texts),
                    region=index,
                    class_key=region.category,
                    split=region.split,
                )


class TextToRegion(Task):
    """[text] → [image, box], among the regions of the scene.

    An expression that is unique in its scene says nothing of other scenes, so the pool is the scene's regions.
    """

    name = "text_to_region"
    meta_task = "region"
    instructions = (
        "Find the image region that this text refers to.",
        "Retrieve the boxed object that matches the referring expression.",
        "Which region is described by the given phrase?",
        "Select the area that the text points out.",
    )
    query_kind = "text"
    target_kind = "image+box"
    needs = "regions with expressions (given or synthesised)"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for each distinct expression."""
        for text, regions in by_expression(scene):
            first = scene.regions[regions[0]]
            yield Draft(
                task=self.name,
                query=(Segment.of_text(text),),
                positives=tuple(region_item(scene, scene.regions[i]) for i in regions),
                region=regions[0],
                scope="scene",
                class_key=first.category,
                split=first.split,
            )

    def pool(self, scene: Scene) -> Iterator[Candidate]:
        """Yield every region of the scene, with or without an expression."""
        return all_regions(scene)
