"""Scene classification: an image and the name of its class."""

from __future__ import annotations

from collections.abc import Iterator

from geovec_data.records import Draft, Scene, Segment
from geovec_data.tasks.base import Task


class SceneClass(Task):
    """[image] → [text: class name]; the pool is the corpus's class names."""

    name = "scene_class"
    meta_task = "classification"
    instructions = (
        "Classify the scene of this aerial image.",
        "Name the land use or land cover class that this remote sensing image shows.",
        "Which scene category does this overhead image belong to?",
        "Identify the scene class of the given image.",
    )
    query_kind = "image"
    target_kind = "text"
    needs = "a scene class"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for a scene that has a class."""
        if scene.scene_class:
            query = (Segment.of_image(scene.image_id),)
            name = (Segment.of_text(scene.scene_class),)
            yield Draft(task=self.name, query=query, positives=(name,), class_key=scene.scene_class)
