"""Readers by name; the registry is the folder itself: each `Reader` subclass in a module of this package, by `name`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from geovec_data.errors import UserError, suggest
from geovec_data.readers.base import Reader


def _modules() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


@cache
def _readers_of(module: str) -> dict[str, type[Reader]]:
    found = {}
    for value in vars(importlib.import_module(f"{__name__}.{module}")).values():
        if isinstance(value, type) and issubclass(value, Reader) and hasattr(value, "name"):
            found[value.name] = value
    return found


def reader_names() -> list[str]:
    """Return the names of all readers (imports their modules, which leave heavy packages to their methods)."""
    return sorted({name for module in _modules() for name in _readers_of(module)})


def get_reader(name: str) -> type[Reader]:
    """Return the reader class of that name; the other readers' modules are not imported where the module is named so.

    Raises:
        UserError: for an unknown name, with the nearest one.
    """
    own = [m for m in _modules() if m == name]
    for module in own or _modules():
        if (found := _readers_of(module).get(name)) is not None:
            return found
    raise UserError(f"unknown reader '{name}'.{suggest(name, reader_names())}")
