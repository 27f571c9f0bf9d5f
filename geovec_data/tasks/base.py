"""What a task is: it turns a checked Scene into Drafts of one RSMEB-style meta-task and knows no corpus."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Literal

from geovec_data.records import Draft, Scene, Segments

Candidate = tuple[Segments, str | None]  # an item and its pool key


class Task(ABC):
    """Base class of tasks.

    Subclasses set the class variables and implement `drafts`; `pool` gives further candidate items
    (distractors: regions that have no expression) which belong to the scene but to no example.
    """

    name: ClassVar[str]
    meta_task: ClassVar[str]  # one of RSMEB's six: classification, cross_modal, compositional, vqa, region, geo
    # instructions[0] is the canonical one, used for mining and evaluation; the others vary the wording in training
    instructions: ClassVar[tuple[str, ...]]
    query_kind: ClassVar[str]  # modality of the query, e.g. "image+box"
    target_kind: ClassVar[str]
    # what a scene must have for this task to say anything, in words, for `describe` and the card
    needs: ClassVar[str]
    # whose the candidates of `pool` are: a scene's own, or the whole corpus's (stated answers), which few scenes repeat
    pool_of: ClassVar[Literal["scene", "corpus"]] = "scene"
    # whether its examples join scenes, so that the final stage makes them and `drafts` yields none
    composed: ClassVar[bool] = False

    @abstractmethod
    def drafts(self, scene: Scene) -> Iterator[Draft]:
        """Yield the scene's examples. The scene is checked: `image_id` is set and boxes lie inside the image."""

    def pool(self, scene: Scene) -> Iterator[Candidate]:
        """Yield candidate items of the scene that may be no example's positive. None by default."""
        return iter(())
