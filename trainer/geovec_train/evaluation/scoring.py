"""From a pool to its rows of scores: vectors, ranks, figures; n/a where the encoder cannot take what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from geovec_data.dataset import Dataset
from geovec_train.evaluation.answers import Answers
from geovec_train.evaluation.blind import Blind, side_of, without
from geovec_train.evaluation.geo_error import geo_facts
from geovec_train.evaluation.metrics import Floats
from geovec_train.evaluation.pools import Pool
from geovec_train.evaluation.ranking import Vectors, rank
from geovec_train.evaluation.score_row import absent_row, score_row
from geovec_train.evaluation.showcase import Showcase
from geovec_train.evaluation.wordings import TASK, worded

if TYPE_CHECKING:
    from geovec_train.evaluation.vectors import Vectorizer


class Scorer:
    """Scores the pools of one dataset with one encoder.

    Args:
        dataset: the dataset.
        encoder: gives the vectors.
        blind: what the encoder is not shown.
        draws: bootstrap replicates.
        seed: of the bootstrap.

    Attributes:
        answers: what every query scored.
        showcase: some of them, as pictures.
    """

    def __init__(self, dataset: Dataset, encoder: Vectorizer, *, blind: Blind | None, draws: int, seed: int) -> None:
        self._dataset, self._encoder, self._blind = dataset, encoder, blind
        self._draws, self._seed = draws, seed
        self.answers = Answers()
        self.showcase = Showcase(dataset, seed)

    def rows(self, pool: Pool, kinds: tuple[set[str], set[str]], places: Floats | None) -> Iterator[dict[str, Any]]:
        """Yield the pool's row, and of class names one more for each wording.

        Args:
            pool: what is asked.
            kinds: modalities of its queries and of its candidates.
            places: of the candidates (`geo_error.places`), or None.
        """
        side = side_of(self._blind, *kinds) if self._blind else None
        if why := self._cannot(kinds, side):
            if not pool.subset:
                yield absent_row(pool.task, pool.meta_task, pool.scope, why)
            return
        view = without(self._blind) if self._blind else None
        instruction = self._dataset.instruction(f"{pool.task}/0")
        queries = self._encoder.vectors(pool.queries, instruction, view if side == "query" else None)
        items = self._encoder.vectors(pool.items, None, view if side == "target" else None)
        yield self._row(pool, queries, items, places) | ({"blind": f"{side} without {self._blind}"} if side else {})
        if pool.task == TASK and not self._blind:
            for asked, said in worded(pool, items, lambda view: self._encoder.vectors(pool.items, None, view)):
                yield self._row(asked, queries, said, None)

    def _cannot(self, kinds: tuple[set[str], set[str]], side: str | None) -> str | None:
        refused = sorted(k for k in kinds[0] | kinds[1] if not self._encoder.takes(k))
        if refused:
            return f"the encoder takes no {', '.join(refused)} items"
        return f"nothing is left without its {self._blind}" if self._blind and side is None else None

    def _row(self, pool: Pool, queries: Vectors, items: Vectors, places: Floats | None) -> dict[str, Any]:
        ranks = rank(pool, queries, items, self._encoder.device)
        self.answers.add(pool, ranks)
        if not pool.subset:
            self.showcase.add(pool, ranks, queries, items)
        geo = None if places is None else geo_facts(pool, places, queries, items, self._encoder.device)
        return score_row(pool, ranks, draws=self._draws, seed=self._seed, geo=geo)
