from __future__ import annotations

from geovec_data.build.ledger import Ledger
from geovec_data.build.questions import check_questions
from geovec_data.records import Question
from tests.fixtures.scenes import scene


def ask(text: str, *answers: str, kind: str = "presence", choices: tuple[str, ...] = ()) -> Question:
    return Question(text=text, answers=answers, kind=kind, choices=choices)


def checked(*questions: Question) -> tuple[list[tuple[str, tuple[str, ...]]], list[tuple[str, str]]]:
    ledger = Ledger(scene())
    kept = check_questions(questions, ledger)
    assert all(r.level == "text" for r in ledger.rejects)
    return [(q.text, q.answers) for q in kept], [(r.code, r.detail) for r in ledger.rejects]


def test_a_repeated_question_with_the_same_answer_is_one() -> None:
    kept, lost = checked(ask("Is there a road?", "yes"), ask("is there a road ?", "Yes"), ask("A pond?", "no "))
    assert kept == [("Is there a road?", ("yes",)), ("A pond?", ("no",))]
    assert [code for code, _ in lost] == ["duplicate_text"]


def test_contradictory_answers_refuse_every_asking() -> None:
    kept, lost = checked(ask("A road?", "yes"), ask("a road", "no"), ask("A road?", "yes"), ask("A pond?", "no"))
    assert kept == [("A pond?", ("no",))]
    assert [code for code, _ in lost] == ["contradiction"] * 3
    assert "answered with 'yes', 'no'" in lost[0][1]


def test_an_answer_outside_the_stated_set_is_refused() -> None:
    kept, lost = checked(ask("A road?", "maybe", choices=("yes", "no")), ask("A pond?", "yes", choices=("yes", "no")))
    assert kept == [("A pond?", ("yes",))]
    assert lost == [
        (
            "unstated_answer",
            "question 'A road?': 'maybe' is not among the stated answers of kind 'presence': 'yes', 'no'",
        )
    ]


def test_questions_and_answers_need_a_word() -> None:
    kept, lost = checked(ask(" ?", "yes"), ask("A road?", " ", "?"), ask("A pond?", "", "no"))
    assert kept == [("A pond?", ("no",))]
    assert [code for code, _ in lost] == ["empty_text"] * 2
