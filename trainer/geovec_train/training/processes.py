"""The processes of a run: one, or those that torchrun started; the first does what is to be done once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from geovec_data import progress

T = TypeVar("T")
_PATIENCE = timedelta(days=2)  # others wait while the first mines or scores


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among all.

    Attributes:
        rank: its number, from 0.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    @staticmethod
    def join(device: str) -> Processes:
        """Meet the others, as torchrun's environment says; without torchrun there are none."""
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return Processes()
        from accelerate import PartialState

        state = PartialState(cpu=device == "cpu", timeout=_PATIENCE)
        return Processes(state.process_index, state.num_processes)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when all are here."""
        if self.world > 1:
            import torch.distributed

            torch.distributed.barrier()

    def share(self, make: Callable[[], T]) -> T:
        """Return what the first process makes of it, to all."""
        if self.world == 1:
            return make()
        import torch.distributed

        box: list[T | None] = [make() if self.first else None]
        torch.distributed.broadcast_object_list(box, src=0)
        made: T = box[0]  # type: ignore[assignment]
        return made

    def say(self, line: str) -> None:
        """Print a line for a person, once."""
        if self.first:
            progress.say(line)
