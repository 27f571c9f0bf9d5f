"""A pool of actors: whatever an actor was at when its machine died is done by another."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from geovec_data.errors import ResourceFault
from geovec_data.progress import say

RETRIES = 3  # of a task whose actor died
QUEUED = 2  # tasks an actor has at once: the next one is there when it is done
START_S = 300.0  # seconds in which at least one actor must come up when none is there


@dataclass(frozen=True, slots=True)
class Task:
    """One call of an actor.

    Attributes:
        name: for messages.
        call: makes the call; returns Ray's reference to the result.
        home: number of the actor that had better do it, if any.
    """

    name: str
    call: Callable[[Any], Any]
    home: int | None = None


@dataclass(eq=False, slots=True)
class _Actor:
    number: int
    handle: Any
    place: str = ""
    flying: dict[Any, Task] = field(default_factory=dict)


class Pool:
    """Actors of one kind.

    Args:
        ray: the module, connected.
        make: makes an actor; it may have to wait for a place on the cluster.
        count: how many.
    """

    def __init__(self, ray: Any, make: Callable[[], Any], count: int) -> None:
        self._ray = ray
        self._make = make
        self._count = count
        self._made = 0
        self._there: list[_Actor] = []
        self._starting: dict[Any, _Actor] = {}
        self.places: Counter[str] = Counter()
        self._tries: Counter[str] = Counter()
        for _ in range(count):
            self._start(self._made)

    def __len__(self) -> int:
        """Return how many actors the pool was made for."""
        return self._count

    def close(self) -> None:
        """End all actors."""
        for actor in (*self._there, *self._starting.values()):
            self._ray.kill(actor.handle)

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        """Do the tasks; yields each with its result, in the order they finish.

        Raises:
            ResourceFault: when a task's actor died again and again, or no actor comes up.
        """
        todo: deque[Task] = deque()
        coming = iter(tasks)
        try:
            while True:
                self._assign(todo, coming)
                flying = {ref: actor for actor in self._there for ref in actor.flying}
                if not flying and not todo and self._there:
                    return
                waited = [*flying, *self._starting]
                done, _ = self._ray.wait(waited, num_returns=1, timeout=None if flying else START_S)
                if not done:
                    raise ResourceFault(
                        f"no process of the Ray cluster came up in {START_S:.0f} s: has it a free core or GPU? (ray"
                        " status); what was embedded so far is kept"
                    )
                if done[0] in self._starting:
                    self._arrive(done[0])
                    continue
                actor = flying[done[0]]
                task = actor.flying[done[0]]
                result = self._result(done[0], actor, todo)
                if result is not None:
                    del actor.flying[done[0]]
                    self.places[actor.place] += 1
                    yield task, result
        finally:
            for actor in self._there:
                actor.flying.clear()

    def _assign(self, todo: deque[Task], coming: Iterator[Task]) -> None:
        """Give the least busy actors tasks, until all have enough."""
        while self._there:
            actor = min(self._there, key=lambda a: (len(a.flying), a.number))
            if len(actor.flying) >= QUEUED:
                return
            while len(todo) <= self._count and (task := next(coming, None)) is not None:
                todo.append(task)
            if not todo:
                return
            task = next((t for t in todo if t.home == actor.number), todo[0])
            todo.remove(task)
            actor.flying[task.call(actor.handle)] = task

    def _start(self, number: int) -> None:
        actor = _Actor(number, self._make())
        self._made += 1
        if self._made > (RETRIES + 1) * self._count:
            raise ResourceFault("processes of the Ray cluster die again and again; see ray status and its logs")
        self._starting[actor.handle.ready.remote()] = actor

    def _arrive(self, ref: Any) -> None:
        from ray.exceptions import RayError, RayTaskError

        actor = self._starting.pop(ref)
        try:
            actor.place = self._ray.get(ref)
        except RayTaskError as error:
            raise error.cause or error from error
        except RayError:
            self._start(actor.number)
            return
        self._there.append(actor)

    def _result(self, ref: Any, actor: _Actor, todo: deque[Task]) -> Any | None:
        """Return a task's result; None when its actor died, and its tasks are to be done again."""
        from ray.exceptions import RayError, RayTaskError

        try:
            return self._ray.get(ref)
        except RayTaskError as error:
            raise error.cause or error from error  # what the task raised: told as the local engine's
        except RayError as error:
            self._there.remove(actor)
            say(f"ray: {actor.place} was lost; what it was at is done by another")
            for task in actor.flying.values():
                self._tries[task.name] += 1
                if self._tries[task.name] > RETRIES:
                    raise ResourceFault(
                        f"{task.name} was lost {RETRIES + 1} times with its machine or process"
                        f" ({str(error).splitlines()[0]}); what was embedded so far is kept: run the same command again"
                    ) from error
                todo.append(task)
            self._start(actor.number)
            return None
