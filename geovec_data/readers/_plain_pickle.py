"""Reading a pickle that holds plain data only, without trusting it.

RefCOCO and its followers ship their expressions as a pickle, a format whose general reader runs whatever code the
file names. This reader runs none, by two independent locks:

1. Before anything is loaded, `pickletools.genops`, which only parses, lists the opcodes. Those that build lists,
   dicts, tuples, strings and numbers are allowed, each by name; whatever looks up a global, calls, builds an object,
   asks for a persistent id, an extension or another protocol's buffer is refused, and so is an opcode unknown today.
2. The loader's `find_class` and `persistent_load`, the only ways from a pickle to a name, refuse every request.

A file can still ask for much memory with few bytes: memo slots are bounded by the number of opcodes, and the loaded
tree, in which lists may hold one another many times or themselves, may have no more nodes than the file has opcodes.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

_DATA = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT",
    "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT",
    "DICT", "SETITEM", "SETITEMS", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET",
})  # fmt: skip


class NotPlain(Exception):
    """A pickle that is broken, or holds more than plain data."""


class _Loader(pickle.Unpickler):
    """An unpickler without any way to a name outside the file."""

    def find_class(self, module: str, name: str) -> Any:
        raise NotPlain(f"asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise NotPlain(f"asks for a persistent object {pid!r}")


def loads(data: bytes) -> Any:
    """Load a pickle of lists, tuples, dicts, strings, bytes, numbers, booleans and None.

    Args:
        data: the whole file.

    Raises:
        NotPlain: for any other content, and for a broken file.
    """
    count = 0
    try:
        for opcode, value, position in pickletools.genops(data):
            count += 1
            argument: Any = value
            if opcode.name not in _DATA:
                raise NotPlain(f"opcode {opcode.name} at byte {position} is not plain data")
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > count:
                raise NotPlain(f"memo slot {argument} at byte {position} is beyond the file's content")
        tree = _Loader(io.BytesIO(data), encoding="utf-8", errors="replace").load()
    except NotPlain:
        raise
    except (pickle.UnpicklingError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError,
            OverflowError, RecursionError, MemoryError, UnicodeError) as error:  # fmt: skip
        raise NotPlain(f"broken: {type(error).__name__}: {error}") from error
    _measure(tree, count)
    return tree


def _measure(tree: Any, most: int) -> None:
    """Refuse a tree with more nodes than the file has opcodes: only repeated containers can make one."""
    waiting = [tree]
    for _ in range(most + 1):
        if not waiting:
            return
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += [*node.keys(), *node.values()]
        elif isinstance(node, list | tuple):
            waiting += node
        if len(waiting) > most:
            break
    if waiting:
        raise NotPlain(f"unfolds to more than the {most} values that the file states")
