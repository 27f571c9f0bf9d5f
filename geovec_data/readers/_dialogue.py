"""What a turn of a GeoChat-style conversation says of its image: a region, a caption, a class, or an answer."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from geovec_data.ids import normalise_text
from geovec_data.readers._labels import words

_NUMBER = r"<\s*(-?\d+(?:\.\d+)?)\s*>"
BOX = re.compile(r"\{\s*" + r"\s*".join([_NUMBER] * 4) + r"\s*(?:\|\s*<?\s*(-?\d+(?:\.\d+)?)\s*>?)?\s*\}")
_PHRASE = re.compile(r"<p>((?:(?!</?p>).)*)</p>", re.DOTALL)  # a mark that never closes ends at the next
_TAG = re.compile(r"\[(refer|grounding|identify|caption|vqa|detection)\]", re.IGNORECASE)
_HINT = re.compile(r"\bAnswer (the question using|with|in) (a |one )?(single )?word or (a )?(short )?phrase\.?", re.I)
_DESCRIBE = re.compile(r"\b(describe|description|caption|summari[sz]e)\b", re.IGNORECASE)

Quad = tuple[float, float, float, float, float]  # x0, y0, x1, y1 on the grid, and the angle in degrees


@dataclass(slots=True)
class Said:
    """All that the conversations about one image say of it.

    Attributes:
        phrases: each boxed object, with the phrases that name it and those of them that refer to it alone.
        captions: descriptions of the whole image.
        classes: answers to the question for the scene's class.
        questions: question, answer and kind.
        faults: turns that say nothing that can be used, and why.
    """

    phrases: dict[Quad, tuple[list[str], list[str]]] = field(default_factory=dict)
    captions: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    questions: list[tuple[str, str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def boxes(text: str) -> list[Quad]:
    """All boxes ``{<x0><y0><x1><y1>|<angle>}`` of a text, in order; without an angle it is 0."""
    found = []
    for match in BOX.finditer(text):
        x0, y0, x1, y1 = (float(v) for v in match.groups()[:4])
        found.append((x0, y0, x1, y1, float(match[5] or 0.0)))
    return found


def corners(quad: Quad, width: int, height: int) -> tuple[float, ...]:
    """The four corners of a rotated box in pixels of an image.

    Method: ``bbox_and_angle_to_polygon`` of the authors' ``geochat_demo.py``: the upright box, in pixels, is turned
    about its centre by the angle in degrees, clockwise as the image is seen. The grid runs from 0 to 100.
    """
    x0, y0, x1, y1 = (v / 100 * (height if i % 2 else width) for i, v in enumerate(quad[:4]))
    cx, cy, w, h = (x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) / 2, abs(y1 - y0) / 2
    cos, sin = math.cos(math.radians(quad[4])), math.sin(math.radians(quad[4]))
    turned = ((dx * cos - dy * sin, dx * sin + dy * cos) for dx, dy in ((-w, -h), (w, -h), (w, h), (-w, h)))
    return tuple(round(v, 6) for dx, dy in turned for v in (cx + dx, cy + dy))


def plain(text: str) -> str:
    """A text without image tokens, task tags, boxes and phrase marks."""
    text = _TAG.sub(" ", BOX.sub(" ", text.replace("<image>", " ")).replace("<delim>", " "))
    joined = " ".join(re.sub(r"</?p>", " ", text).split())
    return re.sub(r"\s+([.,;:?!])", r"\1", joined)


def hear(question: str, answer: str, class_prompt: str, said: Said) -> None:
    """Add what one turn says to what is known of the image.

    The boxes decide, not the tag, which many turns lack: a box in the answer behind a marked phrase grounds a
    description; one without such a phrase answers a referring expression; a box in the question asks for what is
    there. Phrases within a description name an object but need not tell it from its like, so they are no referring
    expressions.
    """
    asked, told = boxes(question), boxes(answer)
    text = plain(answer)
    if told and not _PHRASE.search(answer):
        expression = plain(" ".join(_PHRASE.findall(question)))
        if not expression:
            said.faults.append(f"a box answers a question without a marked phrase: {question[:80]!r}")
            return
        for quad in told:
            _note(said, quad, expression, refers=True)
    elif told:
        for phrase, quads in _grounded(answer):
            for quad in quads:
                _note(said, quad, phrase, refers=False)
        said.captions.append(text)
    elif not text:
        said.faults.append(f"no answer to {question[:80]!r}")
    elif asked:
        for quad in asked:
            _note(said, quad, text, refers=True)
    elif class_prompt and class_prompt.lower() in question.lower():
        said.classes.append(words(text.rstrip(".")))
    elif "[caption]" in question.lower() or (_DESCRIBE.search(question) and len(text.split()) > 4):
        said.captions.append(text)
    else:
        _note_question(said, question, text)


def _note(said: Said, quad: Quad, phrase: str, *, refers: bool) -> None:
    names, expressions = said.phrases.setdefault(quad, ([], []))
    names.append(phrase)
    if refers:
        expressions.append(phrase)


def _note_question(said: Said, question: str, answer: str) -> None:
    short = "[vqa]" in question.lower()
    question, hints = _HINT.subn("", plain(question))
    if normalise_text(answer) in ("yes", "no"):
        kind = "yes or no"
    elif answer.strip(" .").isdecimal():
        kind = "number"
    else:
        kind = "short answer" if short or hints else "conversation"
    said.questions.append((question.strip(), answer, kind))


def _grounded(answer: str) -> list[tuple[str, list[Quad]]]:
    """Each marked phrase of an answer with the boxes between it and the next."""
    marks = list(_PHRASE.finditer(answer))
    ends = [m.start() for m in marks[1:]] + [len(answer)]
    return [(plain(m[1]), boxes(answer[m.end() : end])) for m, end in zip(marks, ends, strict=True)]
