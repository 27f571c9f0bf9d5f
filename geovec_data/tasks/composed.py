"""Compositional retrieval: an image and a change of it, and the images that show the changed scene."""

from __future__ import annotations

from collections.abc import Iterator

from geovec_data.records import Draft, Scene, Segment
from geovec_data.tasks.base import Candidate, Task


class ComposedToImage(Task):
    """[image, text: change] → [image], among the images of the split without the query's own.

    A composition needs two scenes, so one scene yields none: they are made in the final stage of a build, from the
    facts of all scenes of a split (`geovec_data.recipe.compose`).
    """

    name = "composed_to_image"
    meta_task = "compositional"
    instructions = (
        "Find the aerial image that shows this scene with the described change.",
        "Retrieve the remote sensing image that matches the given one after the modification in the text.",
        "Which overhead image looks like this one, changed as the text says?",
        "Select the image that combines the scene shown with the requested change.",
    )
    query_kind = "image+text"
    target_kind = "image"
    needs = "scene attributes beside a class, or regions whose categories are labelled throughout, or a map"
    composed = True

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield nothing: see the class."""
        return iter(())

    def pool(self, scene: Scene) -> Iterator[Candidate]:
        """Yield the scene's image: every image of the split is a candidate."""
        yield (Segment.of_image(scene.image_id),), None
