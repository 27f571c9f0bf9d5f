"""Readers by name; the registry is the folder itself: each `Reader` subclass in a module of this package, by `name`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from geovec_data.errors import UserError, suggest
from geovec_data.readers.base import Reader


@cache
def _registry() -> dict[str, type[Reader]]:
    """Import the folder's modules (light: readers import heavy packages inside methods) and gather the readers."""
    found: dict[str, type[Reader]] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        for value in vars(importlib.import_module(f"{__name__}.{module}")).values():
            if isinstance(value, type) and issubclass(value, Reader) and value is not Reader:
                assert found.setdefault(value.name, value) is value, f"two readers are named {value.name}"
    return found


def reader_names() -> list[str]:
    """Return the names of all readers."""
    return sorted(_registry())


def get_reader(name: str) -> type[Reader]:
    """Return the reader class of that name.

    Raises:
        UserError: for an unknown name, with the nearest one.
    """
    try:
        return _registry()[name]
    except KeyError:
        raise UserError(f"unknown reader '{name}'.{suggest(name, reader_names())}") from None
