"""Captions and questions for a scene that carries a survey of the map."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

from geovec_data.osm.captions import captions_of
from geovec_data.osm.questions import questions_of
from geovec_data.osm.survey import Survey
from geovec_data.records import Scene


def speak(scene: Scene, *, captions: bool, questions: bool) -> Scene:
    """Give a scene captions and questions where it has none; the image's id decides among what could be said.

    Args:
        scene: a checked scene with its survey.
        captions: whether to make captions.
        questions: whether to make questions.

    Returns:
        The scene, with ``captions`` and ``questions`` among `Scene.synthetic` where they were made.
    """
    survey = scene.survey
    if not isinstance(survey, Survey):
        return scene
    if captions and not scene.captions and (texts := captions_of(survey, _rng("captions", scene))):
        scene = replace(scene, captions=texts, synthetic=(*scene.synthetic, "captions"))
    if questions and not scene.questions and (asked := questions_of(survey, _rng("questions", scene))):
        scene = replace(scene, questions=asked, synthetic=(*scene.synthetic, "questions"))
    return scene


def _rng(what: str, scene: Scene) -> random.Random:
    seed = hashlib.sha256(f"osm {what}/{scene.image_id}".encode()).digest()
    return random.Random(int.from_bytes(seed[:8], "big"))
