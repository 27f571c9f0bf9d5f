"""Geo-localisation: where an image is, and which image lies at a place."""

from __future__ import annotations

from collections.abc import Iterator

from geovec_data.records import Draft, Scene, Segment
from geovec_data.tasks.base import Task
from geovec_data.tasks.cross_modal import distinct


def scene_texts(scene: Scene) -> list[str]:
    """What can be said of a whole scene: its captions; where it has none, the names of its classes."""
    classes = (scene.scene_class,) if scene.scene_class else scene.labels
    return distinct(scene.captions) or distinct(classes)


class ImageToCoordinate(Task):
    """[image] → [coordinate]: the image's centre."""

    name = "image_to_coordinate"
    meta_task = "geo"
    instructions = (
        "Find the geographic coordinate of this aerial image.",
        "Where on Earth was this remote sensing image taken?",
        "Retrieve the latitude and longitude of the image's centre.",
        "Locate the given overhead image on the globe.",
    )
    query_kind = "image"
    target_kind = "coordinate"
    needs = "the longitude and latitude of the image's centre"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for a scene whose place is known."""
        if scene.lon is not None and scene.lat is not None:
            place = (Segment.of_coordinate(scene.lon, scene.lat),)
            yield Draft(task=self.name, query=(Segment.of_image(scene.image_id),), positives=(place,))


class CoordinateToImage(Task):
    """[coordinate] → [image]: the image whose centre it is."""

    name = "coordinate_to_image"
    meta_task = "geo"
    instructions = (
        "Find the aerial image taken at this coordinate.",
        "Retrieve the remote sensing image whose centre lies at the given latitude and longitude.",
        "Which overhead image shows this place?",
        "Select the image that was taken here.",
    )
    query_kind = "coordinate"
    target_kind = "image"
    needs = "the longitude and latitude of the image's centre"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for a scene whose place is known."""
        if scene.lon is not None and scene.lat is not None:
            image = (Segment.of_image(scene.image_id),)
            yield Draft(task=self.name, query=(Segment.of_coordinate(scene.lon, scene.lat),), positives=(image,))


class GeoTextToImage(Task):
    """[text, coordinate] → [image]: what is looked for, and where (semantic geo-localisation)."""

    name = "geo_text_to_image"
    meta_task = "geo"
    instructions = (
        "Find the aerial image that matches this text and was taken at this coordinate.",
        "Retrieve the remote sensing image of what the text describes at the given latitude and longitude.",
        "Which overhead image shows the described scene at this place?",
        "Select the image that fits both the text and the location.",
    )
    query_kind = "text+coordinate"
    target_kind = "image"
    needs = "captions or a class, and the longitude and latitude of the image's centre"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for each text of a scene whose place is known."""
        if scene.lon is not None and scene.lat is not None:
            place = Segment.of_coordinate(scene.lon, scene.lat)
            for text in scene_texts(scene):
                image = (Segment.of_image(scene.image_id),)
                yield Draft(task=self.name, query=(Segment.of_text(text), place), positives=(image,))


class TextToGeoImage(Task):
    """[text] → [image, coordinate]: the located image that a text describes (semantic geo-localisation)."""

    name = "text_to_geo_image"
    meta_task = "geo"
    instructions = (
        "Find the located aerial image that this text describes.",
        "Retrieve the remote sensing image, with its latitude and longitude, that matches the description.",
        "Which overhead image, and at which place, shows what the text says?",
        "Select the image and location that fit the text.",
    )
    query_kind = "text"
    target_kind = "image+coordinate"
    needs = "captions or a class, and the longitude and latitude of the image's centre"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for each text of a scene whose place is known."""
        if scene.lon is not None and scene.lat is not None:
            target = (Segment.of_image(scene.image_id), Segment.of_coordinate(scene.lon, scene.lat))
            for text in scene_texts(scene):
                yield Draft(task=self.name, query=(Segment.of_text(text),), positives=(target,))


class ImageToPlace(Task):
    """[image] → [text: place name], among the corpus's names of that level (country, city, …)."""

    name = "image_to_place"
    meta_task = "geo"
    instructions = (
        "Name the place that this aerial image shows.",
        "In which country, region or city was this remote sensing image taken?",
        "Retrieve the name of the place where the given overhead image lies.",
        "Select the place name that fits the image.",
    )
    query_kind = "image"
    target_kind = "text"
    needs = "place names"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for each level of place that the scene names."""
        image = (Segment.of_image(scene.image_id),)
        for level in dict.fromkeys(level for level, _ in scene.places):
            names = distinct(tuple(name for at, name in scene.places if at == level))
            if names:
                positives = tuple((Segment.of_text(name),) for name in names)
                yield Draft(task=self.name, query=image, positives=positives, scope="corpus", pool_key=level)
