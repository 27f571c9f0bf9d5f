"""Numbers, texts, lists, tuples and mappings out of a pickle, without unpickling it: nothing in it is imported or run.

SkyScript publishes the place and time of its images in no other form, RefCOCO and its followers their expressions. A
pickle is a program for a small stack machine; here only the steps that build plain values are followed, over a stack
of our own, and every other step is refused. A few bytes can still name much: lists that hold one another many times,
or themselves, unfold to more than any memory holds, so the values are counted before they are given out.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from typing import Any

_MOST_BYTES = 1 << 20
_MOST_SHARING = 100  # values told for each step of the machine; more than one only where parts are shared
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_VALUES = re.compile(r"(SHORT_)?(BIN)?(UNICODE|BYTES|STRING|FLOAT)8?|(BIN)?INT[12]?|LONG[14]?")
_NUMPY_NAMES = {f"numpy.{core}.multiarray scalar" for core in ("core", "_core")} | {"numpy dtype"}
_NUMPY_TYPE = re.compile(r"[fiu][1248]")


class NotPlain(Exception):
    """A pickle that holds more than plain values, or is broken."""


class _Mark:
    """Where a list, tuple or mapping begins on the stack."""


class _Name(str):
    """One of the few names of numpy that a number may be wrapped in; never looked up."""

    __slots__ = ()


def loads(data: bytes, most_bytes: int = _MOST_BYTES) -> Any:
    """Return the plain value that a pickle describes; numbers of numpy become Python's.

    Args:
        data: the whole file.
        most_bytes: longer input is refused.

    Raises:
        NotPlain: for anything that would import or call something, for broken or very large input, and for values
            that share so many parts that walking them would not end.
    """
    if len(data) > most_bytes:
        raise NotPlain(f"{len(data)} bytes, more than {most_bytes}")
    machine = _Machine()
    try:
        for steps, (op, argument, _) in enumerate(pickletools.genops(data), 1):
            if op.name == "STOP":
                return _counted(machine.stack[-1], _MOST_SHARING * steps)
            machine.step(op.name, argument)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise NotPlain(f"broken: {error}") from error
    raise NotPlain("broken: no end")


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif _VALUES.fullmatch(name):
            stack.append(argument)
        elif name == "MARK":
            stack.append(_Mark())
        elif name in ("TUPLE", "LIST", "DICT"):
            values = self._marked()
            stack.append(_mapping(values) if name == "DICT" else tuple(values) if name == "TUPLE" else values)
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("APPEND", "APPENDS"):
            values = self._marked() if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            pairs = self._marked() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            stack[-1].update(_mapping(pairs))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name not in ("PROTO", "FRAME"):
            self._numpy(name, argument)

    def _marked(self) -> list[Any]:
        """Take everything above the last mark off the stack, and the mark."""
        at = max(i for i, value in enumerate(self.stack) if isinstance(value, _Mark))
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def _numpy(self, name: str, argument: Any) -> None:
        """Follow the steps that wrap one number of numpy; refuse all others."""
        stack = self.stack
        if name in ("GLOBAL", "STACK_GLOBAL"):
            called = argument if name == "GLOBAL" else f"{stack.pop(-2)} {stack.pop()}"
            if called not in _NUMPY_NAMES:
                raise NotPlain(f"it would import {called!r:.60}")
            stack.append(_Name(called))
        elif name == "BUILD" and isinstance(stack[-2], _Name):
            stack.pop()  # a dtype's byte order and flags
        elif name == "REDUCE" and isinstance(stack[-2], _Name):
            arguments, called = stack.pop(), stack.pop()
            stack.append(_Name(arguments[0]) if called == "numpy dtype" else _numpy_number(*arguments))
        else:
            raise NotPlain(f"it holds a step {name}")


def _numpy_number(kind: str, data: bytes) -> float | int:
    import numpy as np

    if not isinstance(data, bytes) or not _NUMPY_TYPE.fullmatch(kind):
        raise NotPlain(f"a numpy value of type {kind!r:.20}")
    number: float | int = np.frombuffer(data, "<" + kind, count=1)[0].item()
    return number


def _counted(value: Any, most: int) -> Any:
    """Return a value that unfolds to no more than so many values; a part that is shared counts each time."""
    waiting, count = [value], 0
    while waiting:
        part = waiting.pop()
        count += 1
        if isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list | tuple):
            waiting += part
        if count + len(waiting) > most:
            raise NotPlain(f"it unfolds to more than {most} values")
    return value


def _mapping(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))
