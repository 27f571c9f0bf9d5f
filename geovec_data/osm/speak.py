"""Texts for a scene that carries a survey of the map: expressions and captions of its regions, captions, questions."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from geovec_data import ids
from geovec_data.expressions.colour import shares
from geovec_data.expressions.emit import synthesise
from geovec_data.expressions.truth import Beyond
from geovec_data.osm.captions import captions_of
from geovec_data.osm.composable import composable
from geovec_data.osm.questions import questions_of
from geovec_data.osm.region_captions import region_captions
from geovec_data.osm.seen import told_colours, unseen
from geovec_data.osm.survey import Survey
from geovec_data.records import Region, Scene


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
    shown: list[dict[str, float]] = [{} for _ in scene.regions]
    hidden = [False] * len(scene.regions)
    if scene.regions and (expressions or captions or questions) and (rgb := _pixels(scene)) is not None:
        shown = [shares(rgb, region) for region in scene.regions]
        hidden = [unseen(region, colours, rgb) for region, colours in zip(scene.regions, shown, strict=True)]
    survey = survey.without_sight_of([r for r, is_hidden in zip(scene.regions, hidden, strict=True) if is_hidden])
    scene = replace(scene, attributes=(*scene.attributes, *composable(survey)))
    if scene.regions and (expressions or captions):
        scene = _with_region_texts(scene, survey, shown, expressions, captions)
        regions = [
            replace(r, captions=(), expressions=()) if is_hidden else r
            for r, is_hidden in zip(scene.regions, hidden, strict=True)
        ]
        scene = replace(scene, regions=tuple(regions))
    if captions and not scene.captions and (texts := captions_of(survey, _rng("captions", scene.image_id))):
        scene = replace(scene, captions=texts, synthetic=(*scene.synthetic, "captions"))
    if questions and not scene.questions and (asked := questions_of(survey, _rng("questions", scene.image_id))):
        scene = replace(scene, questions=asked, synthetic=(*scene.synthetic, "questions"))
    return scene


def _with_region_texts(
    scene: Scene, survey: Survey, shown: list[dict[str, float]], expressions: bool, captions: bool
) -> Scene:
    told = [told_colours(region, survey.gsd, colours) for region, colours in zip(scene.regions, shown, strict=True)]
    if expressions and any(not r.expressions for r in scene.regions):
        beyond = Beyond(bystanders=survey.beyond(scene.regions), whole=survey.whole, colours=told)
        scene = synthesise(scene, None, scene.image_id, beyond=beyond)
    return _with_region_captions(scene, survey, told) if captions else scene


def _with_region_captions(scene: Scene, survey: Survey, told: list[dict[str, float]]) -> Scene:
    def captioned(region: Region, colours: dict[str, float]) -> Region:
        if region.captions:
            return region
        seed = ids.region_id(scene.image_id, region.box, region.category, region.polygon)
        return replace(region, captions=region_captions(region, survey, colours, _rng("region captions", seed)))

    regions = tuple(map(captioned, scene.regions, told))
    if regions == scene.regions:
        return scene
    return replace(scene, regions=regions, synthetic=(*scene.synthetic, "region_captions"))


def _pixels(scene: Scene) -> npt.NDArray[np.uint8] | None:
    from geovec_data.render import decode_image

    return None if scene.data is None else np.asarray(decode_image(scene.data).convert("RGB"))


def _rng(what: str, identity: str) -> random.Random:
    seed = hashlib.sha256(f"osm {what}/{identity}".encode()).digest()
    return random.Random(int.from_bytes(seed[:8], "big"))
