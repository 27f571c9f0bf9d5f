"""FloodNet's questions: one JSON object for each split, number → image, question, type and answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from geovec_data.errors import UserError
from geovec_data.readers._answers import stated
from geovec_data.readers._images import check_patterns, wrong_layout
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Question, Reject, Scene
from geovec_data.untrusted.images import is_inside


class QuestionJsonOptions(ReaderOptions):
    """Options of the reader `question_json`."""

    questions: dict[str, str] = Field(
        {"train": "Questions/Train*.json", "val": "Questions/Val*.json", "test": "Questions/Test*.json"},
        description="split → glob of its question file; it must match one file, a split without one is left out",
    )
    images: dict[str, str] = Field(
        {"train": "Images/Train_Image", "val": "Images/Valid_Image", "test": "Images/Test_Image"},
        description="split → folder of its images",
    )
    answers: dict[str, tuple[str, ...]] = Field(
        {}, description="answers that each type of question can have; 1..50 stands for all of those numbers"
    )


class QuestionJson(Reader):
    """Reads ``{"0": {"Image_ID", "Question", "Ground_Truth", "Question_Type"}, …}``.

    Types become lower case with blanks (``simple counting``), answers lower case; counts are numbers in the file.
    """

    name = "question_json"
    layout = """\
<root>/
  Questions/Training Question.json   {"0": {"Image_ID", "Question", "Ground_Truth", "Question_Type"}}; also Valid, Test
  Images/Train_Image/10165.JPG       also Valid_Image/, Test_Image/"""
    Options = QuestionJsonOptions
    options: QuestionJsonOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per image of a split, and one per broken record; see `Reader.entries`."""
        check_patterns("reader.questions", list(self.options.questions.values()))
        check_patterns("reader.images", list(self.options.images.values()))
        found = False
        for split, pattern in self.options.questions.items():
            files = sorted(self.root.glob(pattern))
            if len(files) > 1:
                names = ", ".join(f.name for f in files)
                raise UserError(
                    f"several question files of split {split} in {self.root}: {names}. Set reader.questions=…"
                )
            for file in files:
                found = True
                yield from self._of_split(split, file)
        if not found:
            expected = " or ".join(self.options.questions.values())
            raise wrong_layout(self.root, f"{expected} in it", self.layout)

    def _of_split(self, split: str, file: Path) -> Iterator[Entry]:
        asked: dict[str, list[list[str]]] = {}
        for number, record in _records(file).items():
            if fault := _fault(record):
                key = f"{file.relative_to(self.root).as_posix()}#{number}"
                yield Entry(key, (), {"code": "bad_annotation", "detail": f"record {number}: {fault}"})
            else:
                words = [record["Question_Type"], record["Question"], str(record["Ground_Truth"])]
                asked.setdefault(record["Image_ID"], []).append(words)
        folder = self.options.images.get(split, ".")
        for image, questions in asked.items():
            path = f"{folder}/{image}"
            yield Entry(path, (path,), {"split": split, "questions": questions})

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn an image with its questions into a scene; see `Reader.read`."""
        record = entry.payload
        if "code" in record:
            yield Reject(
                corpus=self.corpus,
                path=entry.key,
                stage="read",
                code=record["code"],
                detail=record["detail"],
                level="text",
            )
            return
        choices = stated(self.options.answers, {})
        questions = []
        for type_, text, answer in record["questions"]:
            kind = type_.replace("_", " ").strip().lower()
            told = (answer.strip().lower(),)
            questions.append(Question(text=text, answers=told, kind=kind, choices=choices.get(kind, ())))
        yield Scene(
            key=entry.key,
            corpus=self.corpus,
            path=entry.key,
            questions=tuple(questions),
            split=record["split"],
        )


def _records(file: Path) -> dict[str, Any]:
    try:
        tree = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} is no readable JSON: {error}") from error
    if not isinstance(tree, dict):
        raise UserError(f"{file} is no object of numbered questions: not a question file of this layout")
    return tree


def _fault(record: Any) -> str | None:
    """Say what is wrong with a record, or None."""
    if not isinstance(record, dict):
        return f"it is no object but {type(record).__name__}"
    for key in ("Image_ID", "Question", "Question_Type"):
        if not isinstance(record.get(key), str) or not record[key]:
            return f"it has no {key}"
    answer = record.get("Ground_Truth")
    if not isinstance(answer, str | int) or isinstance(answer, bool):
        return "it has no Ground_Truth"
    if not is_inside(record["Image_ID"]):
        return f"Image_ID {record['Image_ID']!r} leads out of the folder"
    return None
