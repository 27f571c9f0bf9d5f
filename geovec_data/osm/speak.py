"""Texts for a scene that carries a survey of the map: expressions and captions of its regions, captions, questions."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import numpy as np
from PIL import Image

from geovec_data import ids
from geovec_data.expressions.colour import shares
from geovec_data.expressions.emit import synthesise
from geovec_data.expressions.truth import Beyond
from geovec_data.osm.captions import captions_of
from geovec_data.osm.composable import composable
from geovec_data.osm.questions import questions_of
from geovec_data.osm.region_captions import region_captions
from geovec_data.osm.survey import Survey
from geovec_data.records import Region, Scene

COLOURED = frozenset({"building", "sports pitch", "storage tank"})
"""What has a colour of its own; that of a garden or a road is that of the season and of the shadows on it."""


def speak(scene: Scene, *, expressions: bool, captions: bool, questions: bool) -> Scene:
    """Give a scene the texts that it lacks; the ids of the image and of its regions decide among what could be said.

    Args:
        scene: a checked scene with its survey.
        expressions: whether to make referring expressions. Whatever the map has in the image can be meant by one, so
            that an expression fits no building at the edge which is too little visible to be a region; what counts
            ("the only") is said of kinds that the map knows completely, see `Survey.whole`.
        captions: whether to make captions, of the image and of its regions.
        questions: whether to make questions.

    Returns:
        The scene, with what was made named in `Scene.synthetic`, and with what it shows and lacks among its
        attributes, for compositions (`geovec_data.compositions.mapped`).
    """
    survey = scene.survey
    if not isinstance(survey, Survey):
        return scene
    scene = replace(scene, attributes=(*scene.attributes, *composable(survey)))
    pixels = _pixels(scene) if scene.regions and (expressions or captions) else None
    if expressions and any(not r.expressions for r in scene.regions):
        beyond = Beyond(bystanders=survey.beyond(scene.regions), whole=survey.whole, coloured=COLOURED)
        scene = synthesise(scene, pixels, scene.image_id, beyond=beyond)
    if captions:
        scene = _with_region_captions(scene, survey, pixels)
    if captions and not scene.captions and (texts := captions_of(survey, _rng("captions", scene.image_id))):
        scene = replace(scene, captions=texts, synthetic=(*scene.synthetic, "captions"))
    if questions and not scene.questions and (asked := questions_of(survey, _rng("questions", scene.image_id))):
        scene = replace(scene, questions=asked, synthetic=(*scene.synthetic, "questions"))
    return scene


def _with_region_captions(scene: Scene, survey: Survey, pixels: Image.Image | None) -> Scene:
    rgb = None if pixels is None else np.asarray(pixels.convert("RGB"))

    def captioned(region: Region) -> Region:
        if region.captions:
            return region
        seed = ids.region_id(scene.image_id, region.box, region.category, region.polygon)
        colours = None if rgb is None else shares(rgb, region)
        return replace(region, captions=region_captions(region, survey, colours, _rng("region captions", seed)))

    regions = tuple(map(captioned, scene.regions))
    if regions == scene.regions:
        return scene
    return replace(scene, regions=regions, synthetic=(*scene.synthetic, "region_captions"))


def _pixels(scene: Scene) -> Image.Image | None:
    from geovec_data.render import decode_image

    return None if scene.data is None else decode_image(scene.data)


def _rng(what: str, identity: str) -> random.Random:
    seed = hashlib.sha256(f"osm {what}/{identity}".encode()).digest()
    return random.Random(int.from_bytes(seed[:8], "big"))
