"""Why anything is refused: the words for it, and the list of what one scene lost."""

from __future__ import annotations

from typing import Literal

from geovec_data.records import Reject, Scene

CODES: dict[str, str] = {
    "missing_image": "the image file named by the annotation does not exist",
    "unsafe_path": "a path leads out of the source root",
    "empty_file": "a file has no bytes",
    "unreadable_image": "the file is no image of a known format, or its content is broken",
    "truncated_image": "the image ends before its last pixel",
    "too_large": "more pixels or bytes than the limit (a decompression bomb?)",
    "size_mismatch": "the annotation states another image size than the image has",
    "bad_annotation": "the annotation file or record cannot be understood",
    "bad_coordinate": "a coordinate is not a number, infinite or out of range",
    "empty_box": "a box without area",
    "inverted_box": "a box whose right edge lies left of its left edge, or its bottom above its top",
    "outside_image": "a region wholly outside the image",
    "low_visibility": "less of the object than `min_visible` lies inside the image or inside any chip",
    "too_small": "a region narrower than `min_side` pixels",
    "no_unicode": "a file name or text that is no Unicode",
    "no_label": "the corpus says nothing of this image that the recipe could use",
    "empty_text": "a caption, expression or name without a word",
    "duplicate_text": "a sentence that the same image or region has already",
    "contradiction": "a question that the same image answers in two ways",
    "unstated_answer": "an answer that is not among those stated for its kind of question",
    "duplicate_region": "a second region with the same box and category",
    "duplicate_image": "an image whose bytes another entry has already",
    "near_duplicate": "an image that looks like another that is kept, under dedup.near=drop",
    "duplicate_key": "a second record for the same image",
    "whole_image_text": "a text about the whole image, which a chip of it cannot carry",
    "outside_extract": "the image lies outside the area that the label file covers",
    "no_georeference": "nothing tells where on Earth the image lies",
    "antimeridian": "the image lies across the 180th meridian, where no footprint of one part exists",
    "too_coarse": "the image's own pixels are larger than those asked for",
    "no_data": "most of the image is marked as holding no data",
    "unknown_tag": "a map area whose tag the table of tags does not have, so that what it is called is not known",
    "below_gsd": "a map feature that cannot be told at the image's ground sample distance",
    "broken_area": "a map area whose rings do not close, so that what it covers is not known",
}


class Ledger:
    """The rejects of one scene, under its name."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.rejects: list[Reject] = []

    def add(self, code: str, detail: str, level: Literal["scene", "region", "text"] = "scene") -> None:
        """Note one loss; `code` must be in `CODES`."""
        assert code in CODES, code
        self.rejects.append(
            Reject(
                corpus=self._scene.corpus,
                path=self._scene.key,
                stage="check",
                code=code,
                detail=detail,
                level=level,
            )
        )
