"""Checks of a scene's questions: each once, with an answer that its kind can have, and without contradiction."""

from __future__ import annotations

from dataclasses import replace

from geovec_data import ids
from geovec_data.build.ledger import Ledger
from geovec_data.records import Question


def check_questions(questions: tuple[Question, ...], ledger: Ledger) -> tuple[Question, ...]:
    """Drop the bad questions of one scene, each with its reason.

    A question that is asked again with the same answers is one question. Asked again with other answers, nothing
    tells which are right, so every asking of it is refused.

    Args:
        questions: as read.
        ledger: takes the rejects.

    Returns:
        Questions with a word and an answer each, no two alike in all but case, punctuation and blanks.
    """
    asked: dict[str, list[Question]] = {}
    for question in questions:
        answers = tuple(a.strip() for a in question.answers if ids.normalise_text(a))
        words = ids.normalise_text(question.text)
        if not words:
            ledger.add("empty_text", f"question {question.text!r} has no word", "text")
        elif not answers:
            ledger.add("empty_text", f"question {question.text!r} has no answer", "text")
        elif not set(answers) <= set(question.choices or answers):
            stated = f"the stated answers of kind {question.kind!r}: {_few(question.choices)}"
            ledger.add("unstated_answer", f"question {question.text!r}: {_few(answers)} is not among {stated}", "text")
        else:
            asked.setdefault(words, []).append(replace(question, text=question.text.strip(), answers=answers))
    kept = []
    for same in asked.values():
        first, *again = same
        told = {frozenset(map(ids.normalise_text, q.answers)) for q in same}
        if len(told) > 1:
            answers = tuple(dict.fromkeys(a for q in same for a in q.answers))
            for question in same:
                ledger.add("contradiction", f"question {question.text!r} is answered with {_few(answers)}", "text")
            continue
        for question in again:
            ledger.add("duplicate_text", f"question {question.text!r} repeats {first.text!r}", "text")
        kept.append(first)
    return tuple(kept)


def _few(answers: tuple[str, ...], most: int = 6) -> str:
    shown = ", ".join(repr(a) for a in answers[:most])
    return f"{shown}, …" if len(answers) > most else shown
