"""Tasks: one file per meta-task; each turns a Scene into Drafts. The registry is the folder itself.

Every module here may define several `Task` subclasses; a new one needs no entry in any list.
"""

from __future__ import annotations

import importlib
import pkgutil

from geovec_data.errors import UserError, suggest
from geovec_data.tasks.base import Task


def _tasks() -> dict[str, type[Task]]:
    found: dict[str, type[Task]] = {}
    for info in pkgutil.iter_modules(__path__):
        if info.name == "base" or info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Task) and value.__module__ == module.__name__:
                assert value.name not in found, f"two tasks are named {value.name}"
                found[value.name] = value
    return found


def task_names() -> list[str]:
    """Return the names of all tasks, sorted."""
    return sorted(_tasks())


def get_task(name: str) -> type[Task]:
    """Return the task class of that name.

    Raises:
        UserError: for an unknown name, with the nearest one.
    """
    tasks = _tasks()
    if name not in tasks:
        raise UserError(f"unknown task '{name}'.{suggest(name, tasks)}")
    return tasks[name]
