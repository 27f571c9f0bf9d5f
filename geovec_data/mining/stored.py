"""Candidates of an earlier run, as a source: a changed policy is then applied without an encoder or a search."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from geovec_data.errors import UserError, suggest
from geovec_data.mining.cache import EmbeddingStore, Floats, Key
from geovec_data.mining.config import MineConfig
from geovec_data.mining.encoding import Effort
from geovec_data.mining.items import Ints, Items
from geovec_data.mining.neighbourhood import Neighbourhood
from geovec_data.mining.plan import TaskPlan
from geovec_data.mining.scope import Scope, Source
from geovec_data.mining.similarity import Positives
from geovec_data.mining.stored_task import StoredTask
from geovec_data.mining.summary import read_summary
from geovec_data.mining.truth import Truth

_TAKEN = ("pool", "anchor", "box_codec", "coordinate_codec", "depth")  # decide what the candidates are
_SAME = ("encoder", "dataset", "pool", "anchor", "box_codec", "coordinate_codec")


class StoredRun:
    """What an earlier run left.

    Args:
        folder: the run's folder.

    Raises:
        UserError: when it holds no finished run, or one of an older GeoVec.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary = read_summary(folder)
        self.settings: dict[str, Any] = self.summary.get("settings", {})
        if not (folder / "positive_scores.parquet").is_file():
            raise UserError(f"run '{folder.name}' was mined by an older GeoVec, which kept too little; mine again")

    @classmethod
    def reused(cls, folder: Path, config: MineConfig) -> StoredRun:
        """Open the run whose candidates another one reuses.

        Args:
            folder: the dataset's folder of runs.
            config: the other run's options; ``config.reuse`` names the earlier run.

        Raises:
            UserError: when there is no such run, or it is the same.
        """
        runs = sorted(p.parent.name for p in folder.glob("*/summary.json"))
        if config.reuse not in runs:
            raise UserError(f"reuse={config.reuse}: no such finished run.{suggest(str(config.reuse), runs)}")
        if config.reuse == config.run:
            raise UserError(f"reuse={config.reuse}: give the new run another name (run=…): the old one stays as it is")
        return cls(folder / config.reuse)

    def completed(self, config: MineConfig) -> MineConfig:
        """Return the options of a run that reuses this one: what decides its candidates is as here unless given."""
        taken = {name: self.settings[name] for name in _TAKEN if name in self.settings}
        given = config.model_dump(exclude_unset=True)
        return MineConfig.model_validate(taken | given)

    def check(self, config: MineConfig, settings: dict[str, Any]) -> None:
        """Compare this run's settings with the earlier run's.

        Raises:
            UserError: when its candidates are not those that this run would search.
        """
        differs = [name for name in _SAME if self.settings.get(name) != settings.get(name)]
        if differs:
            raise UserError(
                f"reuse={config.reuse}: that run has another {', '.join(differs)}, so its candidates are not"
                " this run's; leave reuse out to mine anew"
            )
        if config.depth > self.settings["depth"]:
            raise UserError(
                f"reuse={config.reuse}: depth={config.depth}, and that run stored"
                f" {self.settings['depth']} candidates an example"
            )
        for name in config.tasks:
            if name not in self.summary["tasks"]:
                raise UserError(
                    f"reuse={config.reuse}: that run has no '{name}'.{suggest(name, self.summary['tasks'])}"
                )

    def tasks(self, config: MineConfig, plans: list[TaskPlan]) -> list[TaskPlan]:
        """Return the plans of the tasks that it mined and this run wants."""
        wanted = config.tasks or list(self.summary["tasks"])
        return [p for p in plans if p.task in self.summary["tasks"] and p.task in wanted]

    def of(self, truth: Truth) -> tuple[Positives, Iterator[tuple[Scope, dict[str, Source]]]]:
        """Return the scores of a task's positives; and its stored candidates, by source."""
        stored = StoredTask(self.folder, truth.plan, truth.items)
        truth.neighbourhood = Neighbourhood(truth, partial(self._targets, truth.items))
        return stored, iter([(stored.search, stored.others)])

    def _targets(self, items: Items, numbers: Ints) -> Floats:
        """Return the vectors of candidates that the earlier run left in the cache."""
        encoder = self.summary["encoder"]
        key = Key(encoder["fingerprint"], "target", None, encoder["codecs"])
        store = EmbeddingStore(self.folder.parent.parent, key)
        try:
            return store.take(store.locate(items.ids.take(pa.array(numbers))))
        except KeyError as error:
            raise UserError(
                f"reuse={self.folder.name}: the rule same_neighbourhood compares the vectors of that run, which are"
                " gone from embeddings/; mine anew with encoder=…, or give policy.same_neighbourhood=off"
            ) from error

    def facts(self) -> dict[str, Any]:
        """Say which encoder it was, for the summary."""
        nothing = Effort().facts()
        return {
            "encoder": self.summary["encoder"],
            "device": self.summary["device"],
            "search": self.summary.get("search"),
            "embedding": nothing,
        }
