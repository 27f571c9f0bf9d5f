"""Geo-localisation: where an image is, and which image lies at a place."""

from __future__ import annotations

from collections.abc import Iterator

from geovec_data.records import Draft, Scene, Segment
from geovec_data.tasks.base import Task


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
