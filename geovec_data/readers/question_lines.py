"""RSIVQA: text files of ``image:question?answer`` lines in one folder for each corpus that the images come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pydantic import Field, field_validator

from geovec_data.errors import UserError
from geovec_data.readers._images import ImageFolders, check_patterns, wrong_layout
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Question, Reject, Scene

_LINE = re.compile(r"\s*(?P<image>[^:]+?)\s*:\s*(?P<question>[^?]+\?)\s*(?P<answer>.+?)\s*")
_NUMERALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty"
)
_DIGITS = {word: str(n) for n, word in enumerate(_NUMERALS.split(" "))}


class QuestionLinesOptions(ReaderOptions):
    """Options of the reader `question_lines`."""

    tables: tuple[str, ...] = Field(
        ("*/*.txt",), description="globs of the text files; each lies in its corpus's folder"
    )
    images: tuple[str, ...] = Field(
        ("images", "imgs", "Images", "."), description="folders with the images, beside a text file, searched in order"
    )
    kinds: dict[str, str] = Field(
        {"count": "how many .*", "presence": "(does|is|are) .*"},
        description="kind of question → regular expression on its lower-case text; first match, else `other`",
    )
    rename: dict[str, str] = Field({}, description="better words of answers, e.g. {bareland: bare land}")
    origins: dict[str, str] = Field(
        {},
        description="folder → origin of its images: {stem} is the file name; {class} and {index} come from `numbered`",
    )
    numbered: tuple[str, ...] = Field(
        (), description="classes, a hundred images of each in turn, in a folder whose files are numbered from 1"
    )

    @field_validator("kinds")
    @classmethod
    def _compile(cls, value: dict[str, str]) -> dict[str, str]:
        for kind, pattern in value.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{kind} is no regular expression: {error}") from error
        return value


class _Line(NamedTuple):
    image: str
    question: str
    answer: str


class QuestionLines(Reader):
    """Reads lines ``1.tif:what is the theme of this picture?farmland``; the image may lack its extension.

    All lines about one image of a folder are one scene, whichever of its files they stand in. Counts that are
    spelled out become digits, as the other files of the corpus write them.
    """

    name = "question_lines"
    layout = """\
<root>/
  UCM/ucm_vqa.txt ucm_res.txt    1.tif:what is the theme of this picture?farmland
  UCM/images/1.tif               or imgs/; the images of each corpus beside its text files
  DOTA/dota_train_vqa2.txt       P0000: how many planes are there in this picture?21
  DOTA/images/P0000.png"""
    Options = QuestionLinesOptions
    options: QuestionLinesOptions

    def entries(self) -> Iterator[Entry]:
        """List one entry per image, and one per line that cannot be understood; see `Reader.entries`."""
        check_patterns("reader.tables", self.options.tables)
        check_patterns("reader.images", self.options.images)
        tables = sorted({file for pattern in self.options.tables for file in self.root.glob(pattern)})
        if not tables:
            raise wrong_layout(self.root, f"{' or '.join(self.options.tables)} in it", self.layout)
        by_folder: dict[Path, list[Path]] = {}
        for table in tables:
            by_folder.setdefault(table.parent, []).append(table)
        for folder, files in by_folder.items():
            yield from self._of_folder(folder.relative_to(self.root).as_posix(), files)

    def _of_folder(self, folder: str, files: list[Path]) -> Iterator[Entry]:
        images = ImageFolders(self.root, [PurePosixPath(folder, i).as_posix() for i in self.options.images])
        asked: dict[str, list[list[str]]] = {}
        for file in files:
            for number, line in enumerate(_lines(file), 1):
                if isinstance(line, _Line):
                    asked.setdefault(self._path(line.image, folder, images), []).append([line.question, line.answer])
                elif line:
                    yield Entry(
                        f"{folder}/{file.name}#{number}",
                        (),
                        {"detail": f"line {line[:80]!r} has no image:question?answer"},
                    )
        for path, questions in asked.items():
            yield Entry(path, (path,), {"questions": questions, "folder": PurePosixPath(folder).name})

    def _path(self, name: str, folder: str, images: ImageFolders) -> str:
        """Return the source-relative path of an image: where it is, else where it should be."""
        same_stem = images.stemmed(name) or images.stemmed(PurePosixPath(name).stem)
        if path := images.named(name) or (same_stem[0] if same_stem else None):
            return path
        return PurePosixPath(images.folders[0] if images.folders else folder, PurePosixPath(name).name).as_posix()

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn an image with its lines into a scene; see `Reader.read`."""
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
        yield Scene(
            key=entry.key,
            corpus=self.corpus,
            path=entry.key,
            questions=tuple(self._question(text, answer) for text, answer in record["questions"]),
            origin=self._origin(record["folder"], PurePosixPath(entry.key).stem),
        )

    def _question(self, text: str, answer: str) -> Question:
        said = text.strip().lower()
        kind = next((k for k, pattern in self.options.kinds.items() if re.fullmatch(pattern, said)), "other")
        told = self.options.rename.get(answer, answer)
        return Question(text=text, answers=(_DIGITS.get(told, told) if kind == "count" else told,), kind=kind)

    def _origin(self, folder: str, stem: str) -> str:
        form = self.options.origins.get(folder, "")
        if "{class}" not in form:
            return form.format(stem=stem)
        place, index = divmod(int(stem) - 1, 100) if stem.isdecimal() else (-1, 0)
        return (
            form.format(**{"class": self.options.numbered[place], "index": index})
            if 0 <= place < len(self.options.numbered)
            else ""
        )


def _lines(file: Path) -> Iterator[_Line | str]:
    """Yield what each line says, or the line itself where it says nothing."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is no readable text: {error}") from error
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        yield _Line(**found.groupdict()) if found else line.strip()
