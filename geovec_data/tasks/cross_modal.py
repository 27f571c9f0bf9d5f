"""Cross-modal search: images by their captions and captions by their image."""

from __future__ import annotations

from collections.abc import Iterator

from geovec_data.ids import normalise_text
from geovec_data.records import Draft, Scene, Segment
from geovec_data.tasks.base import Task


def distinct(texts: tuple[str, ...]) -> list[str]:
    """The texts that differ in a word, in order, the first wording of each; texts without a word are left out."""
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(normalise_text(text), text)
    first.pop("", None)
    return list(first.values())


class ImageToText(Task):
    """[image] → [text]; all captions of the image are positives of one example."""

    name = "image_to_text"
    meta_task = "cross_modal"
    instructions = (
        "Find a caption that describes this aerial image.",
        "Retrieve the sentence that tells what this remote sensing image shows.",
        "Which description matches the given overhead image?",
        "Select the text that best summarises this image.",
    )
    query_kind = "image"
    target_kind = "text"
    needs = "captions"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for a scene that has captions."""
        captions = distinct(scene.captions)
        if captions:
            query = (Segment.of_image(scene.image_id),)
            positives = tuple((Segment.of_text(c),) for c in captions)
            yield Draft(task=self.name, query=query, positives=positives)


class TextToImage(Task):
    """[text] → [image]; one example for each distinct caption."""

    name = "text_to_image"
    meta_task = "cross_modal"
    instructions = (
        "Find the aerial image that matches this caption.",
        "Retrieve the remote sensing image that this sentence describes.",
        "Which overhead image fits the given description?",
        "Select the image that shows what the text says.",
    )
    query_kind = "text"
    target_kind = "image"
    needs = "captions"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for each caption that differs in a word from those before it."""
        target = (Segment.of_image(scene.image_id),)
        for caption in distinct(scene.captions):
            yield Draft(task=self.name, query=(Segment.of_text(caption),), positives=(target,))
