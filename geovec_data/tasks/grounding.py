"""Visual grounding: the region of an image that an expression singles out."""

from __future__ import annotations

from collections.abc import Iterator

from geovec_data.records import Draft, Scene, Segment
from geovec_data.tasks.base import Candidate, Task
from geovec_data.tasks.region import all_regions, by_expression, region_item


class ExpressionToRegion(Task):
    """[image, text] → [image, box], among the regions of that image."""

    name = "expression_to_region"
    meta_task = "region"
    instructions = (
        "Find the region of this image that the expression refers to.",
        "Locate the object described by the text in the aerial image.",
        "Which box in the image contains what the phrase describes?",
        "Ground the referring expression in the given image.",
    )
    query_kind = "image+text"
    target_kind = "image+box"
    needs = "regions with expressions (given or synthesised)"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for each distinct expression."""
        for text, regions in by_expression(scene):
            first = scene.regions[regions[0]]
            yield Draft(
                task=self.name,
                query=(Segment.of_image(scene.image_id), Segment.of_text(text)),
                positives=tuple(region_item(scene, scene.regions[i]) for i in regions),
                region=regions[0],
                scope="scene",
                class_key=first.category,
                split=first.split,
            )

    def pool(self, scene: Scene) -> Iterator[Candidate]:
        """Yield every region of the scene, with or without an expression."""
        return all_regions(scene)
