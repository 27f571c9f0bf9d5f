"""What every engine runs on a machine: one worker a corpus and process, and the two things it does with a unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from geovec_data.build.unit import Job, Unit, UnitWorker
from geovec_data.store.journal import UnitRecord

Action = Literal["run", "content"]
Done = tuple[Unit, UnitRecord | str]
Process = Callable[[Mapping[str, Job], Sequence[Unit], int, Action], Iterator[Done]]


class Workers:
    """A worker of each corpus that this process has met; a corpus's reader is built when its first unit comes."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._jobs = jobs
        self._made: dict[str, UnitWorker] = {}

    def do(self, action: Action, unit: Unit) -> UnitRecord | str:
        """Run or hash one unit."""
        worker = self._made.get(unit.corpus)
        if worker is None:
            worker = self._made[unit.corpus] = UnitWorker(self._jobs[unit.corpus])
        return worker.run(unit) if action == "run" else worker.content(unit)
