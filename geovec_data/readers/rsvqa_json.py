"""RSVQA: images, questions and answers in three JSON files for each split, tied by ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.readers._answers import as_range, stated
from geovec_data.readers._images import ImageFolders, check_patterns, wrong_layout
from geovec_data.readers._rsvqa_place import placed_by_bottom_edge
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Question, Reject, Scene


class RsvqaOptions(ReaderOptions):
    """Options of the reader `rsvqa_json`."""

    questions: str = Field(
        "*_split_{split}_questions.json", description="glob of the question file of a split; it must match one file"
    )
    splits: dict[str, str] = Field(
        {"train": "train", "val": "val", "test": "test"},
        description="split as the files name it → official split; those without files are left out",
    )
    images: tuple[str, ...] = Field(
        ("Images_LR", "Data", "Images", "images", "."),
        description="folders with the images <id>.tif or <id>.png, searched in this order",
    )
    place: Literal["none", "bottom_edge"] = Field(
        "none", description="bottom_edge: upperleft_map_x and _y are the left and the bottom edge in EPSG:3857"
    )
    answers: dict[str, tuple[str, ...]] = Field(
        {}, description="answers that each type of question can have; 0..89 stands for all of those numbers"
    )
    ranges: dict[str, str] = Field(
        {}, description="types whose numbers are told as the authors' ranges, with their unit: {area: m2}"
    )


class _Image(NamedTuple):
    id: int
    left: float | None
    edge: float | None
    resolution: str


class _Question(NamedTuple):
    id: int
    image: int
    kind: str
    text: str
    answers: tuple[int, ...]


class _Answer(NamedTuple):
    id: int
    text: str


class _Bad(NamedTuple):
    record: str
    detail: str


class RsvqaJson(Reader):
    """Reads ``<name>_split_<split>_{images,questions,answers}.json`` and one image for each id.

    Records that are not ``active`` belong to another split (the files of every split list all ids) and are passed
    over. Answers are found by the question's ``answers_ids``.
    """

    name = "rsvqa_json"
    layout = """\
<root>/
  LR_split_train_images.json      {"images": [{"id", "active", …}]}; HR: USGS_split_…
  LR_split_train_questions.json   {"questions": [{"id", "img_id", "type", "question", "answers_ids", "active"}]}
  LR_split_train_answers.json     {"answers": [{"id", "question_id", "answer", "active"}]}; also val, test
  Images_LR/0.tif                 <id>.tif or .png; HR: Data/"""
    Options = RsvqaOptions
    options: RsvqaOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per image of a split, and one per broken record; see `Reader.entries`."""
        check_patterns("reader.questions", [self.options.questions])
        check_patterns("reader.images", self.options.images)
        folders = ImageFolders(self.root, self.options.images)
        seen: dict[int, str] = {}
        found = False
        for name, split in self.options.splits.items():
            if (file := self._question_file(name)) is not None:
                found = True
                yield from self._of_split(file, split, folders, seen)
        if not found:
            raise wrong_layout(self.root, f"{self.options.questions} in it", self.layout)

    def _question_file(self, split: str) -> Path | None:
        pattern = self.options.questions.replace("{split}", split)
        files = sorted(self.root.glob(pattern))
        if len(files) > 1:
            names = ", ".join(f.name for f in files)
            raise UserError(f"several question files of split {split} in {self.root}: {names}. Set reader.questions=…")
        return files[0] if files else None

    def _of_split(self, file: Path, split: str, folders: ImageFolders, seen: dict[int, str]) -> Iterator[Entry]:
        images_file, answers_file = (file.with_name(file.name.replace("questions", w)) for w in ("images", "answers"))
        images = _records(images_file, "images", _image)
        answers = {a.id: a.text for a in _records(answers_file, "answers", _answer) if isinstance(a, _Answer)}
        asked: dict[int, list[list[str]]] = {}
        for record in _records(file, "questions", _question):
            if isinstance(record, _Bad):
                yield _refused(f"{file.name}#{record.record}", record.detail)
                continue
            told = [answers[a] for a in record.answers if a in answers]
            if not told:
                yield _refused(f"{file.name}#{record.id}", f"question {record.id} has no answer in {answers_file.name}")
            asked.setdefault(record.image, []).extend([record.kind, record.text, answer] for answer in told)
        for image in images:
            if isinstance(image, _Bad):
                yield _refused(f"{images_file.name}#{image.record}", image.detail)
            elif seen.setdefault(image.id, images_file.name) != images_file.name:
                yield _refused(f"{images_file.name}#{image.id}", f"image {image.id} is in {seen[image.id]} already")
            else:
                known = folders.stemmed(str(image.id))
                path = known[0] if known else f"{folders.folders[0] if folders.folders else '.'}/{image.id}.tif"
                payload = {"split": split, "questions": asked.pop(image.id, []), **image._asdict()}
                yield Entry(path, (path,), payload)
        for number, questions in sorted(asked.items()):
            yield _refused(
                f"{file.name}#image {number}", f"{len(questions)} questions about image {number}, which is not active"
            )

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn an image with its questions into a scene; see `Reader.read`."""
        record = entry.payload
        if "detail" in record:
            yield Reject(
                corpus=self.corpus,
                path=entry.key,
                stage="read",
                code="bad_annotation",
                detail=record["detail"],
                level="text",
            )
            return
        choices = stated(self.options.answers, self.options.ranges)
        questions = []
        for kind, text, answer in record["questions"]:
            told = as_range(answer, self.options.ranges[kind]) if kind in self.options.ranges else answer
            questions.append(Question(text=text, answers=(told,), kind=kind, choices=choices.get(kind, ())))
        place: dict[str, Any] = {}
        if self.options.place == "bottom_edge":
            place = placed_by_bottom_edge(self.root / entry.key, record["left"], record["edge"], record["resolution"])
        yield Scene(
            key=entry.key,
            corpus=self.corpus,
            path=entry.key,
            questions=tuple(questions),
            split=record["split"],
            **place,
        )


def _refused(key: str, detail: str) -> Entry:
    return Entry(key, (), {"detail": detail})


def _records(file: Path, key: str, as_record: Any) -> list[Any]:
    """Read the active records of a file; each becomes a tuple while the JSON is parsed, as there can be a million."""
    try:
        tree = json.loads(file.read_bytes(), object_hook=lambda raw: raw if key in raw else as_record(raw))
    except OSError as error:
        raise UserError(f"{file} is missing or cannot be read: {error.strerror}; each split has three files") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is no readable JSON: {error}") from error
    if not isinstance(tree, dict) or not isinstance(tree.get(key), list):
        raise UserError(f'{file} has no list "{key}": not a file of RSVQA')
    return [
        r if isinstance(r, tuple) else _Bad(str(n), f"record {n} is no object")
        for n, r in enumerate(tree[key])
        if r != ()
    ]


def _image(raw: dict[str, Any]) -> Any:
    if raw.get("active") is not True:
        return ()
    edges = (raw.get("upperleft_map_x"), raw.get("upperleft_map_y"))
    if not _whole(raw.get("id")) or not all(e is None or isinstance(e, int | float) for e in edges):
        return _Bad(str(raw.get("id")), "an image needs a whole number as id, and numbers as edges")
    return _Image(raw["id"], *edges, str(raw.get("res_x", "")))


def _question(raw: dict[str, Any]) -> Any:
    if raw.get("active") is not True:
        return ()
    answers = raw.get("answers_ids")
    words = (raw.get("type"), raw.get("question"))
    numbers = (raw.get("id"), raw.get("img_id"), *(answers if isinstance(answers, list) else [None]))
    if not all(isinstance(w, str) and w for w in words) or not all(map(_whole, numbers)):
        return _Bad(str(raw.get("id")), "a question needs id, img_id, type, question and a list answers_ids")
    return _Question(raw["id"], raw["img_id"], raw["type"], raw["question"], tuple(raw["answers_ids"]))


def _answer(raw: dict[str, Any]) -> Any:
    good = raw.get("active") is True and _whole(raw.get("id")) and isinstance(raw.get("answer"), str)
    return _Answer(raw["id"], raw["answer"]) if good else ()


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
