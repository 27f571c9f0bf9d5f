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
    needs = "a scene class, or several"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for a scene that has a class; several classes are all its positives."""
        names = (scene.scene_class,) if scene.scene_class else scene.labels
        if names:
            yield Draft(
                task=self.name,
                query=(Segment.of_image(scene.image_id),),
                positives=tuple((Segment.of_text(name),) for name in names),
                scope="corpus",
                class_key=" | ".join(sorted(names)),
            )
