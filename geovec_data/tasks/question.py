"""Visual question answering as retrieval: the right answer among those that questions of the kind can have."""

from __future__ import annotations

from collections.abc import Iterator

from geovec_data.records import Draft, Scene, Segment
from geovec_data.tasks.base import Candidate, Task
from geovec_data.tasks.cross_modal import distinct


class QuestionAnswer(Task):
    """[image, text: question] → [text: answer], among the corpus's answers to questions of that kind.

    The candidates are the kind's stated answer set (`Question.choices`) and whatever answers the corpus has; a
    score is then comparable with a classifier's over the same set.
    """

    name = "question_answer"
    meta_task = "vqa"
    instructions = (
        "Answer the question about this aerial image.",
        "Retrieve the right answer to the question about the remote sensing image.",
        "What is the answer to the question about the given overhead image?",
        "Look at the image and select the answer to the question.",
    )
    query_kind = "image+text"
    target_kind = "text"
    needs = "questions with their answers"
    pool_of = "corpus"

    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield one example for each question."""
        image = Segment.of_image(scene.image_id)
        for question in scene.questions:
            yield Draft(
                task=self.name,
                query=(image, Segment.of_text(question.text)),
                positives=tuple((Segment.of_text(a),) for a in distinct(question.answers)),
                scope="corpus",
                pool_key=question.kind,
                split=question.split,
            )

    def pool(self, scene: Scene) -> Iterator[Candidate]:
        """Yield the stated answers of every kind of question that the scene has."""
        stated = {(question.kind, choice) for question in scene.questions for choice in question.choices}
        return (((Segment.of_text(choice),), kind) for kind, choice in sorted(stated))
