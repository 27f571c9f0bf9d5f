"""Conversation JSON with boxes in the text (GeoChat-Instruct, VRSBench's training file)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.geometry.clip import bounds
from geovec_data.ids import normalise_text
from geovec_data.readers._dialogue import Said, corners, hear
from geovec_data.readers._images import ImageFolders, check_patterns, with_pixels
from geovec_data.readers._labels import LabelOptions, Labels, words
from geovec_data.readers._records import RecordReader, entry_of, fault, image_path, load_json
from geovec_data.readers.base import Entry
from geovec_data.records import Question, Region, Reject, Scene


class ConversationJsonOptions(LabelOptions):
    """Options of the reader `conversation_json`."""

    json_file: str = Field("GeoChat_Instruct.json", description="the conversations")
    images: tuple[str, ...] = Field(
        ("images", "share/softwares/kartik/GeoChat_finetuning/final_images_llava", "Images_train", "."),
        description="folders with the images",
    )
    categories: tuple[str, ...] = Field(
        (), description="names of objects; a phrase's category is the one it holds last, the longest of those"
    )
    class_prompt: str = Field(
        "Classify the image within one of the given classes", description="a question with these words asks the class"
    )


class ConversationJson(RecordReader):
    """Reads ``[{"image", "conversations": [{"from": "human"|"gpt", "value"}]}]``, all records of an image together.

    Format: Kuckreja et al., "GeoChat: Grounded Large Vision-Language Model for Remote Sensing" (CVPR 2024). Boxes are
    ``{<x0><y0><x1><y1>|<angle>}`` on a grid from 0 to 100, turned about their centre; see `_dialogue` for what is
    made of a turn. An object that several conversations box alike is one region with all their expressions.
    """

    name = "conversation_json"
    layout = """\
<root>/
  GeoChat_Instruct.json             [{"id", "image", "conversations": [{"from", "value"}]}]
  images/…                          or share/softwares/kartik/GeoChat_finetuning/final_images_llava/, as unpacked"""
    Options = ConversationJsonOptions
    options: ConversationJsonOptions

    def __init__(self, root: Path, options: Any, corpus: str) -> None:
        super().__init__(root, options, corpus)
        self.labels = Labels(self.options)
        names = sorted(map(words, self.options.categories), key=lambda name: (-len(name), name))
        self._categories = re.compile(rf"\b({'|'.join(map(re.escape, names))})(?:s|es)?\b") if names else None

    def entries(self) -> Iterator[Entry]:
        """List one entry per image; see `Reader.entries`."""
        check_patterns("reader.images", self.options.images)
        found = self.files("json_file", (self.options.json_file,))
        if len(found) > 1:
            names = ", ".join(p.name for p in found)
            raise UserError(f"several conversation files: {names}. Choose one with reader.json_file=…")
        tree = load_json(found[0])
        if not isinstance(tree, list):
            raise UserError(f"{found[0]} is no list of conversations. Expected:\n{self.layout}")
        folders = ImageFolders(self.root, self.options.images)
        images: dict[str, list[Any]] = {}
        for number, record in enumerate(tree):
            image = record.get("image") if isinstance(record, dict) else None
            if not isinstance(image, str) or not image:
                yield fault(f"{found[0].name}#{number}", "bad_annotation", "a record without image")
            else:
                images.setdefault(image_path(image, folders), []).append(record.get("conversations"))
        for path, conversations in images.items():
            yield entry_of(path, {"conversations": conversations})

    def parse(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn all conversations about an image into a scene; see `RecordReader.parse`."""
        scene, width, height = with_pixels(self.root, Scene(key=entry.key, corpus=self.corpus, path=entry.key))
        said = Said()
        for conversation in entry.payload["conversations"]:
            _listen(conversation, self.options.class_prompt, said)
        for detail in said.faults:
            yield self.reject(entry, detail, "text")
        yield replace(
            scene,
            captions=tuple(dict.fromkeys(said.captions)),
            scene_class=said.classes[0] if len(set(said.classes)) == 1 else None,
            labels=tuple(dict.fromkeys(said.classes)) if len(set(said.classes)) > 1 else (),
            regions=tuple(self._regions(said, width, height)),
            questions=tuple(Question(text=q, answers=(a,), kind=k) for q, a, k in dict.fromkeys(said.questions)),
        )

    def _regions(self, said: Said, width: int, height: int) -> Iterator[Region]:
        for quad, (phrases, expressions) in said.phrases.items():
            ring = corners(quad, width, height)
            category = next(filter(None, map(self._category, phrases)), "object")
            # an answer that is but the category tells the object from no other of its kind
            bare = {normalise_text(category), normalise_text(f"1 {category}")}
            kept = dict.fromkeys(e for e in expressions if normalise_text(e) not in bare)
            yield Region(box=bounds(ring), polygon=ring, expressions=tuple(kept), **self.labels(category))

    def _category(self, phrase: str) -> str | None:
        found = self._categories.findall(words(phrase)) if self._categories else []
        return found[-1] if found else None


def _listen(conversation: Any, class_prompt: str, said: Said) -> None:
    """Hear a conversation turn by turn: a human's question and the answer that follows it."""
    if not isinstance(conversation, list):
        said.faults.append("no list of conversations")
        return
    question: str | None = None
    for turn in conversation:
        speaker, value = (turn.get("from"), turn.get("value")) if isinstance(turn, dict) else (None, None)
        if not isinstance(value, str) or speaker not in ("human", "gpt"):
            said.faults.append(f"a turn of {speaker!r} without text")
        elif speaker == "human":
            question = value
        elif question is None:
            said.faults.append(f"an answer without a question: {value[:80]!r}")
        else:
            hear(question, value, class_prompt, said)
            question = None
